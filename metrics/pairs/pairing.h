#pragma once

#include <string>
#include <vector>

namespace teacache {

// Which ground-truth video belongs to which generated one.

// A video and the name it is paired by.
struct NamedVideo {
  std::string name;  // file name without extension, with its folder below the searched one
  std::string path;
};

struct VideoPair {
  std::string name;
  std::string gt;
  std::string gen;
};

struct Pairing {
  std::vector<VideoPair> pairs;           // in natural order of name
  std::vector<std::string> unmatched_gt;  // paths without a partner
  std::vector<std::string> unmatched_gen;
};

// What is compared: videos (a folder of pictures is one), or every picture of a folder by itself.
enum class Items { kVideos, kPictures };
Items ParseItems(const std::string& name);  // "videos", "pictures". Throws UserError.

// Everything in `source` that can be read as a video, in natural order of name:
//   a video or tensor file           -> itself
//   a folder of pictures             -> itself, as one video
//   a run folder of generate-videos  -> the videos in it
//   any other folder                 -> the videos, tensor files and folders of pictures in it
//                                       (with `recursive`: also below it)
//   a .txt file                      -> the paths in it, one per line, relative to its folder
// Throws UserError when there is nothing, or two videos have the same name.
// With Items::kPictures a folder gives its pictures, each a video of one frame.
std::vector<NamedVideo> FindVideos(const std::string& source,
                                   bool recursive = false,
                                   Items items = Items::kVideos);

// What lies in the folder `source`, could be opened as video and is not among the paths `scored`:
// files that libav recognises by their content whatever they are called, videos beside the pictures
// of a scored folder, and folders with videos where `recursive` is not set (they end in "/"). Files
// whose ending is one of a video are not opened. Nothing for a `source` that is no folder.
std::vector<std::string> VideosLeftOut(const std::string& source,
                                       bool recursive,
                                       const std::vector<std::string>& scored);

// Pairs by name. One video on each side is a pair whatever the names are.
Pairing PairByName(const std::vector<NamedVideo>& gt, const std::vector<NamedVideo>& gen);

// Endings of the files that FindVideos takes in folders, lower case: of videos and of pictures.
std::vector<std::string> VideoFileEndings();

// As TeaCache's eval.py pairs: the files of folder `gen` that end in ".mp4" (lower case), their
// name with every ".mp4" removed, and the file of that name + ".mp4" in folder `gt`. Other files,
// and extra files of `gt`, are ignored. `order`: names in the order of the listing to repeat (see
// TeaCacheLine); empty = sorted. Throws UserError when there is no video, one has no partner (where
// the script stops too) or `order` names other videos.
Pairing PairAsTeaCache(const std::string& gt,
                       const std::string& gen,
                       const std::vector<std::string>& order = {});

}  // namespace teacache
