// Inputs that look fine and are not (tests/golden/looks_fine): the right number, and what must be
// said on the video's row.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/video/video.h"
#include "metrics/pairs/eval_command.h"
#include "metrics/pairs/pairing.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_video.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr double kInf = std::numeric_limits<double>::infinity();

std::string Folder(const std::string& name) {
  return SourceDir() + "/tests/golden/looks_fine/" + name;
}

EvalOutcome Evaluate(const std::string& gt,
                     const std::string& gen,
                     bool imageio = false,
                     LengthPolicy length = LengthPolicy::kStrict) {
  EvalCommand command;
  command.evaluate.gt = gt;
  command.evaluate.gens = {gen};
  command.evaluate.pooling.bootstrap_samples = 0;
  command.evaluate.score.length = length;
  if (imageio) command.evaluate.reader.decoder = VideoReaderOptions::Decoder::kImageio;
  return RunEvalCommand(command);
}

EvalOutcome EvaluateCase(const std::string& name,
                         bool imageio = false,
                         LengthPolicy length = LengthPolicy::kStrict) {
  return Evaluate(Folder(name + "/gt"), Folder(name + "/gen"), imageio, length);
}

VideoScore Only(const EvalOutcome& outcome) {
  EXPECT_EQ(outcome.results[0].videos.size(), 1u);
  return outcome.results[0].videos.at(0);
}

double PsnrOf(const VideoScore& score) {
  EXPECT_EQ(score.error, "");
  const auto found = score.scores.find("psnr");
  return found == score.scores.end() ? std::nan("") : found->second;
}

TEST(LooksFine, AnEditListHidesFrames) {
  const EvalOutcome outcome = EvaluateCase("edit-list");
  const VideoScore score = Only(outcome);
  EXPECT_EQ(PsnrOf(score), kInf);
  EXPECT_EQ(score.frames, 12);
  EXPECT_EQ(score.gen.num_frames, 12);
  EXPECT_EQ(score.gt.num_frames, 12);
  EXPECT_EQ(OpenVideo(Folder("edit-list/gen/a.mp4"))->info().num_frames, 12);
  EXPECT_THAT(score.warnings, Contains(HasSubstr("has 8 frames that an edit list hides")));
  EXPECT_THAT(outcome.text, HasSubstr("an edit list hides (1 of 1 videos)"));
}

TEST(LooksFine, AllEndingsAreScored) {
  const EvalOutcome outcome = EvaluateCase("endings");
  const std::vector<VideoScore>& videos = outcome.results[0].videos;
  ASSERT_EQ(videos.size(), 3u);
  EXPECT_EQ(PsnrOf(videos[0]), kInf);
  EXPECT_NEAR(PsnrOf(videos[1]), 30.0690, 5e-5);
  EXPECT_NEAR(PsnrOf(videos[2]), 18.0278, 5e-5);
  EXPECT_EQ(outcome.exit_code, 0);
}

TEST(LooksFine, WhatCouldBeAVideoIsNamed) {
  const TempDir dir;
  for (const char* side : {"gt", "gen"}) {
    fs::create_directories(dir.path() / side / "more");
    fs::copy(Folder("endings/gt/a.mp4"), dir.path() / side / "a.mp4");
    fs::copy(Folder("endings/gt/a.mp4"), dir.path() / side / "copy of a");
    fs::copy(Folder("endings/gt/c.ts"), dir.path() / side / "more/c.ts");
    AtomicWriteFile((dir.path() / side / "notes.txt").string(), std::string_view("0000 text\n"));
    AtomicWriteFile((dir.path() / side / "data.json").string(), std::string_view("{\"a\": 1}\n"));
    AtomicWriteFile((dir.path() / side / "empty"), std::string_view(""));
  }
  EvalCommand command;
  command.evaluate.gt = dir / "gt";
  command.evaluate.gens = {dir / "gen"};
  const EvalOutcome outcome = RunEvalCommand(command);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.results[0].left_out,
              ElementsAre(EndsWith("gt/copy of a"),
                          EndsWith("gt/more/"),
                          EndsWith("gen/copy of a"),
                          EndsWith("gen/more/")));
  EXPECT_THAT(outcome.text, HasSubstr("Could be videos but are not scored: 4"));
  command.allow_missing = true;
  EXPECT_EQ(RunEvalCommand(command).exit_code, 0);
  command.evaluate.recursive = true;
  EXPECT_EQ(RunEvalCommand(command).results[0].left_out.size(), 2u);
}

TEST(LooksFine, AVideoBesidePicturesIsNamed) {
  const TempDir dir;
  for (const char* side : {"gt", "gen"}) {
    fs::copy(Folder("numbers-with-a-hole/gt/start"), dir.path() / side);
  }
  fs::copy(Folder("endings/gt/a.mp4"), dir.path() / "gen/preview.mp4");
  const EvalOutcome outcome = Evaluate(dir / "gt", dir / "gen");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.results[0].left_out, ElementsAre(EndsWith("gen/preview.mp4")));
}

// With --compat teacache what the script does not see is named, too.
TEST(LooksFine, TheScriptsEndingsAreNamed) {
  const TempDir dir;
  EvalCommand command;
  command.evaluate.gt = Folder("endings/gt");
  command.evaluate.gens = {Folder("endings/gen")};
  command.evaluate.teacache = true;
  const EvalOutcome outcome = RunEvalCommand(command);
  EXPECT_THAT(outcome.text, HasSubstr("psnr: 100.0000"));
  EXPECT_EQ(outcome.results[0].left_out.size(), 4u);
  EXPECT_EQ(outcome.exit_code, 1);
}

TEST(LooksFine, EqualSamplesOfOtherDepthsAreIdentical) {
  const EvalOutcome native = EvaluateCase("bit-depth");
  ASSERT_EQ(native.results[0].videos.size(), 2u);
  for (const VideoScore& score : native.results[0].videos) {
    EXPECT_EQ(PsnrOf(score), kInf) << score.name;
    EXPECT_THAT(score.warnings,
                Contains(AllOf(HasSubstr("pixel formats differ: yuv4"), HasSubstr("p10le"))));
  }
  const EvalOutcome compat = EvaluateCase("bit-depth", true);
  EXPECT_NEAR(PsnrOf(compat.results[0].videos[0]), 30.4375, 5e-5);
  EXPECT_THAT(compat.results[0].videos[0].warnings,
              Contains("pixel formats differ: yuv420p (ground truth), yuv420p10le: the conversion "
                       "alone costs quality"));
}

TEST(LooksFine, GreyOfLimitedRange) {
  EXPECT_GE(PsnrOf(Only(EvaluateCase("mono-limited-range"))), 50);
  const VideoScore compat = Only(EvaluateCase("mono-limited-range", true));
  EXPECT_NEAR(PsnrOf(compat), 28.4812, 5e-5);
  EXPECT_THAT(compat.warnings,
              Contains("pixel formats differ: yuv420p (ground truth), gray: the conversion alone "
                       "costs quality"));
}

TEST(LooksFine, TheLargestTrackIsCompared) {
  for (const bool imageio : {false, true}) {
    const VideoScore score = Only(EvaluateCase("two-tracks", imageio));
    EXPECT_NEAR(PsnrOf(score), 24.0484, 5e-5);
    EXPECT_EQ(score.gt.width, 128);
    EXPECT_THAT(score.warnings,
                Contains("the generated video has 2 video tracks: only track 1 of 128x96 is "
                         "compared"));
  }
}

TEST(LooksFine, NumberedPicturesBelongTogetherByNumber) {
  const EvalOutcome strict = EvaluateCase("numbers-with-a-hole");
  ASSERT_EQ(strict.results[0].videos.size(), 2u);
  EXPECT_THAT(strict.results[0].videos[0].error,
              AllOf(HasSubstr("0005"), HasSubstr("0010"), HasSubstr("9 pictures")));
  EXPECT_EQ(PsnrOf(strict.results[0].videos[1]), kInf);
  EXPECT_EQ(strict.exit_code, 1);
  const EvalOutcome offered =
      EvaluateCase("numbers-with-a-hole", /*imageio=*/false, LengthPolicy::kMin);
  const VideoScore& gap = offered.results[0].videos[0];
  EXPECT_EQ(PsnrOf(gap), kInf);
  EXPECT_EQ(gap.frames, 9);
  EXPECT_THAT(gap.warnings, Contains(AllOf(HasSubstr("9 pictures"), HasSubstr("0005"))));
  EXPECT_THAT(gap.warnings,
              Contains("the generated video has a hole in the numbers of its pictures: 0005 "
                       "missing"));
}

TEST(LooksFine, OtherStepsOfNumbersAreMentioned) {
  const TempDir dir;
  for (const int i : {0, 1, 2}) {
    for (const auto& [side, step] : {std::pair("gt", 2), std::pair("gen", 1)}) {
      fs::create_directories(dir.path() / side);
      fs::copy(Folder(fmt::format("numbers-with-a-hole/gt/start/000{}.png", i)),
               dir.path() / side / fmt::format("frame {}.png", step * i));
    }
  }
  const VideoScore score = Only(Evaluate(dir / "gt", dir / "gen"));
  EXPECT_EQ(PsnrOf(score), kInf);
  EXPECT_THAT(score.warnings, ElementsAre(HasSubstr("steps of 2 (ground truth), 1")));
}

TEST(LooksFine, TransparentPixelsAreMentioned) {
  const EvalOutcome outcome = EvaluateCase("hidden-colours");
  EXPECT_NEAR(PsnrOf(Only(outcome)), 1.2144, 5e-5);
  for (const char* side : {"the ground truth", "the generated video"}) {
    EXPECT_THAT(Only(outcome).warnings,
                Contains(std::string(side) + " has transparent pixels (alpha is not compared)"));
  }
  EXPECT_THAT(outcome.text, HasSubstr("alpha is not compared) (1 of 1 videos)"));
}

TEST(LooksFine, AnAlphaChannelOfItsOwnIsMentioned) {
  EXPECT_THAT(Only(EvaluateCase("alpha-plane")).warnings,
              Contains("the generated video has an alpha channel (alpha_mode), which is not "
                       "compared"));
}

TEST(LooksFine, FilmGrainIsMentioned) {
  const VideoScore score = Only(EvaluateCase("film-grain"));
  EXPECT_NEAR(PsnrOf(score), 30.97, 5e-3);
  EXPECT_THAT(score.warnings,
              Contains("the generated video carries film grain, which the decoder makes"));
}

TEST(LooksFine, AviWithoutTimesHasNoFrameRateOfItsGaps) {
  const VideoScore score = Only(EvaluateCase("avi-without-times"));
  EXPECT_EQ(PsnrOf(score), kInf);
  EXPECT_EQ(score.frames, 12);
  EXPECT_EQ(score.gen.num_frames, 12);
  EXPECT_THAT(score.warnings, Not(Contains(HasSubstr("frame rate"))));
}

TEST(LooksFine, FramesLostAtTheStartShiftNothing) {
  const VideoScore strict = Only(EvaluateCase("open-gop"));
  EXPECT_THAT(strict.error,
              HasSubstr("3 frames at the start of the generated video could not be decoded"));
  EXPECT_EQ(strict.gen.lost_at_start, 3);
  const VideoScore min = Only(EvaluateCase("open-gop", /*imageio=*/false, LengthPolicy::kMin));
  EXPECT_THAT(min.error, HasSubstr("3 frames at the start"));
}

// --items pictures: for image models.
TEST(LooksFine, PicturesAreItemsWhenAsked) {
  EvalCommand command;
  command.evaluate.gt = Folder("numbers-with-a-hole/gt/gap");
  command.evaluate.gens = {Folder("numbers-with-a-hole/gen/gap")};
  command.evaluate.items = ParseItems("pictures");
  const EvalOutcome outcome = RunEvalCommand(command);
  const Results& results = outcome.results[0];
  ASSERT_EQ(results.videos.size(), 9u);
  EXPECT_EQ(results.videos[5].name, "0006");
  for (const VideoScore& score : results.videos) {
    EXPECT_EQ(PsnrOf(score), kInf) << score.name;
    EXPECT_EQ(score.frames, 1);
  }
  EXPECT_THAT(results.unmatched_gt, ElementsAre(EndsWith("0005.png")));
  EXPECT_THAT(results.unmatched_gen, ElementsAre(EndsWith("0010.png")));
  EXPECT_THAT(results.left_out, IsEmpty());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THROW(ParseItems("images"), UserError);
}

TEST(LooksFine, CleanVideosHaveNoWarnings) {
  const TempDir dir;
  VideoWriterOptions lossless;
  lossless.codec = VideoWriterOptions::Codec::kFfv1;
  for (const char* side : {"gt", "gen"}) {
    fs::create_directories(dir.path() / side);
    WriteVideo((dir.path() / side / "a.mkv").string(), MakeTestVideo(48, 32, 4), lossless);
  }
  const EvalOutcome outcome = Evaluate(dir / "gt", dir / "gen");
  EXPECT_EQ(PsnrOf(Only(outcome)), kInf);
  EXPECT_THAT(Only(outcome).warnings, IsEmpty());
}

}  // namespace
}  // namespace teacache
