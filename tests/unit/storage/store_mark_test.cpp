#include "storage/store_mark.hpp"

#include <fstream>

#include "support/store_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using Kind = StoreMark::Kind;

namespace {

void write_mark_now(const TempDir& directory, Kind kind, const std::string& what) {
  write_mark(directory.file(), {.kind = kind, .what = what}, kNow);
}

}  // namespace

TEST_CASE("store mark: one that cannot be read is one", "[storage]") {
  const std::string suffix = GENERATE(as<std::string>{}, ".mark", ".away");
  const TempDir directory;
  open_sqlite(directory.file()).reset();
  std::ofstream(directory.file().string() + suffix).close();
  REQUIRE(read_mark(directory.file()).has_value());
  CHECK(read_mark(directory.file())->kind == (suffix == ".mark" ? Kind::lost : Kind::away));
}

TEST_CASE("store mark: what a person has to lift counts before what goes by itself", "[storage]") {
  const TempDir directory;
  write_mark_now(directory, Kind::away, "it went");
  CHECK(read_mark(directory.file()).value().what == "it went (noticed at 2023-11-14T22:13:20Z)");
  write_mark_now(directory, Kind::lost, "it was cut");
  CHECK(read_mark(directory.file()).value().what == "it was cut (noticed at 2023-11-14T22:13:20Z)");
  CHECK(mark_files(directory.file()).size() == 2);
}

TEST_CASE("store mark: a file that is back takes its own mark with it, and no loss that was noticed meanwhile",
          "[storage]") {
  const TempDir directory;
  write_mark_now(directory, Kind::away, "it went");
  write_mark_now(directory, Kind::lost, "it was cut");  // between another process's look at the mark and its removal
  must(remove_mark(directory.file(), Kind::away));
  REQUIRE(read_mark(directory.file()).has_value());
  CHECK(read_mark(directory.file())->kind == Kind::lost);
  CHECK(mark_files(directory.file()).size() == 1);
}

TEST_CASE("store mark: accepting what is left lifts marks of every kind", "[storage]") {
  const TempDir directory;
  write_mark_now(directory, Kind::away, "it went");
  write_mark_now(directory, Kind::lost, "it was cut");
  must(remove_marks(directory.file()));
  CHECK_FALSE(read_mark(directory.file()).has_value());
  must(remove_marks(directory.file()));
}
