#include "calib/trace_remarks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace teacache {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kCalls = 10;

void AddRun(const std::string& prompt, const std::string& branch, unsigned seed, Trace* trace) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> value(100, 400);
  for (int call = 0; call < kCalls; ++call) {
    TraceRow row;
    row.prompt = prompt;
    row.branch = branch;
    row.call = row.step = call;
    if (call > 0) {
      row.mod = {value(random), value(random), 4096};
      row.res = {value(random), value(random), 4096};
    }
    trace->rows.push_back(row);
  }
}

// Three prompts, two branches.
Trace MakeTrace() {
  Trace trace;
  trace.header.steps = trace.header.calls = kCalls;
  unsigned seed = 0;
  for (const char* prompt : {"a", "b", "c"}) {
    for (const char* branch : {"cond", "uncond"}) AddRun(prompt, branch, ++seed, &trace);
  }
  return trace;
}

// `value` with so many significant bits.
double Rounded(double value, int bits) {
  int exponent = 0;
  const double mantissa = std::frexp(value, &exponent);
  return std::ldexp(std::round(std::ldexp(mantissa, bits)), exponent - bits);
}

Trace RoundedTo(int bits) {
  Trace trace = MakeTrace();
  for (TraceRow& row : trace.rows) {
    for (L1Sums* sums : {&row.mod, &row.res}) {
      sums->diff_l1 = Rounded(sums->diff_l1, bits);
      sums->prev_l1 = Rounded(sums->prev_l1, bits);
    }
  }
  return trace;
}

TEST(TraceRemarks, NothingOfAGoodTrace) {
  EXPECT_THAT(TraceRemarks(MakeTrace()), IsEmpty());
  EXPECT_THAT(TraceRemarks(Trace{}), IsEmpty());
}

TEST(TraceRemarks, SumsInHalfPrecision) {
  EXPECT_THAT(TraceRemarks(RoundedTo(8)), ElementsAre(HasSubstr("as bfloat16 has")));
  EXPECT_THAT(TraceRemarks(RoundedTo(11)), ElementsAre(HasSubstr("as float16 has")));
  EXPECT_THAT(TraceRemarks(RoundedTo(24)), IsEmpty()) << "float32";
  Trace few = RoundedTo(8);
  for (TraceRow& row : few.rows) {
    for (L1Sums* sums : {&row.mod, &row.res}) sums->n = sums->n > 0 ? 16 : 0;
  }
  EXPECT_THAT(TraceRemarks(few), IsEmpty()) << "sums of few elements are short";
}

TEST(TraceRemarks, OneTensorAsTwo) {
  Trace trace = MakeTrace();
  for (TraceRow& row : trace.rows) row.res = row.mod;
  EXPECT_THAT(TraceRemarks(trace), ElementsAre(HasSubstr("the residual changes exactly as")));
  for (TraceRow& row : trace.rows) {
    if (row.call == 3) row.res.prev_l1 += 1;
  }
  EXPECT_THAT(TraceRemarks(trace), IsEmpty());
}

TEST(TraceRemarks, EqualBranches) {
  Trace trace;
  trace.header.steps = trace.header.calls = kCalls;
  AddRun("a", "cond", 1, &trace);
  AddRun("a", "uncond", 1, &trace);
  AddRun("a", "image", 2, &trace);
  EXPECT_THAT(TraceRemarks(trace), ElementsAre(HasSubstr("\"cond\" and \"uncond\" are equal")));
  trace.rows[5].mod.diff_l1 += 1;
  EXPECT_THAT(TraceRemarks(trace), IsEmpty());
}

TEST(TraceRemarks, RunsOfSeveralSizes) {
  Trace trace = MakeTrace();
  for (TraceRow& row : trace.rows) {
    if (row.prompt == "b" && row.mod.measured()) row.mod.n = row.res.n = 8192;
  }
  EXPECT_THAT(TraceRemarks(trace), ElementsAre(HasSubstr("runs of 2 sizes")));
}

// Image-to-image with strength 0.4 runs the last steps only.
TEST(TraceRemarks, RunsThatBeginLate) {
  Trace trace = MakeTrace();
  trace.header.steps = 25;
  for (TraceRow& row : trace.rows) row.step += 15;
  EXPECT_THAT(TraceRemarks(trace), ElementsAre(HasSubstr("runs begin at step 15 of 25")));
}

}  // namespace
}  // namespace teacache
