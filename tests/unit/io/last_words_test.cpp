#include "io/last_words.hpp"

#include <catch2/catch.hpp>
#include <fstream>

#include "support/temp_dir.hpp"

using epic::io::last_words_of;
using epic::io::read_last_words;
using epic::kernel::NodeId;

TEST_CASE("last words: only those of the process that was lost count, without their controls", "[io]") {
  const epic::test::TempDir run;
  CHECK(read_last_words(run.path(), {NodeId{2}, 7}).empty());
  std::ofstream(last_words_of(run.path(), NodeId{2})) << "7\nBomb/\x07x.poke";
  CHECK_THAT(read_last_words(run.path(), {NodeId{2}, 7}), Catch::StartsWith("Bomb/") && Catch::EndsWith("x.poke"));
  CHECK(read_last_words(run.path(), {NodeId{2}, 7}).find(static_cast<char>(7)) == std::string::npos);
  CHECK(read_last_words(run.path(), {NodeId{2}, 70}).empty());
  CHECK(read_last_words(run.path(), {NodeId{1}, 7}).empty());
}
