#include "cluster/supervisor/line_splitter.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace epic::cluster;

namespace {
struct LineSplitterFixture {
  std::vector<std::string> lines;
  LineSplitter splitter{[this](std::string_view line) { lines.emplace_back(line); }};
};
}  // namespace

TEST_CASE("line splitter: lines come out whole, however the pipe splits them", "[cluster]") {
  LineSplitterFixture f;
  for (const char* piece : {"one\ntw", "o", "\n\nthr"}) f.splitter.add(piece);
  CHECK(f.lines == std::vector<std::string>{"one", "two", ""});
  f.splitter.end();
  f.splitter.end();
  CHECK(f.lines.back() == "thr");
  CHECK(f.lines.size() == 4);
}

TEST_CASE("line splitter: an endless line comes out in pieces", "[cluster]") {
  LineSplitterFixture f;
  const std::string endless(3 * LineSplitter::kLineBytesMax, 'x');
  f.splitter.add(endless + "y\nz\n");
  REQUIRE(f.lines.size() == 5);
  CHECK(f.lines[0].size() == LineSplitter::kLineBytesMax);
  CHECK(f.lines[3] == "y");
  CHECK(f.lines[4] == "z");
}

TEST_CASE("line splitter: a pipe of our own may have longer lines", "[cluster]") {
  std::vector<std::string> lines;
  const std::string report(3 * LineSplitter::kLineBytesMax, 'x');
  LineSplitter splitter([&](std::string_view line) { lines.emplace_back(line); }, 2 * report.size());
  splitter.add(report + "\n");
  CHECK(lines == std::vector{report});
}
