#include "cli/project/manifest_edit.hpp"

#include <catch2/catch.hpp>

#include "cli/project/manifest.hpp"

using namespace epic::cli;

namespace {

constexpr std::string_view kProject = "[project]\nname = \"arena\"\n";

std::string edited(std::string_view rest, std::int64_t shards = 128) {
  return with_shards(std::string(kProject) + std::string(rest), shards).value_or("not changed").substr(kProject.size());
}

}  // namespace

TEST_CASE("manifest edit: the number of shards changes, and nothing else", "[cli]") {
  CHECK(edited("[fabric]\nshards = 64\n") == "[fabric]\nshards = 128\n");
  CHECK(edited("[fabric]\nnodes = 2\n  shards=1_024# many\n[log]\nlevel = \"info\"\n") ==
        "[fabric]\nnodes = 2\n  shards=128# many\n[log]\nlevel = \"info\"\n");
  CHECK(edited("[fabric]  # here\r\nshards = 0x40 \r\nnodes = 2\r\n", 7) ==
        "[fabric]  # here\r\nshards = 7 \r\nnodes = 2\r\n");
}

TEST_CASE("manifest edit: a number of shards that was left out is added", "[cli]") {
  CHECK(edited("[fabric]\nnodes = 2\n") == "[fabric]\nshards = 128\nnodes = 2\n");
  CHECK(edited("[ fabric ]") == "[ fabric ]\nshards = 128\n");
  CHECK(edited("") == "\n[fabric]\nshards = 128\n");
  CHECK(edited("[log]\nlevel = \"info\"") == "[log]\nlevel = \"info\"\n\n[fabric]\nshards = 128\n");
  CHECK(edited("# shards = 3\n[log]\n# [fabric]\n") == "# shards = 3\n[log]\n# [fabric]\n\n[fabric]\nshards = 128\n");
}

TEST_CASE("manifest edit: a file that would mean something else then is left to a person", "[cli]") {
  CHECK_FALSE(with_shards("fabric = { shards = 64 }\n[project]\nname = \"arena\"\n", 128));
  CHECK_FALSE(with_shards("fabric.shards = 64\n[project]\nname = \"arena\"\n", 128));
  CHECK_FALSE(with_shards("[fabric]\nshards = 64\n", 128));  // there is no project
}
