#include "cluster/supervisor/module_copies.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "support/temp_dir.hpp"

using namespace epic::cluster;
using epic::test::TempDir;
namespace fs = std::filesystem;

namespace {

std::string read(const fs::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

TEST_CASE("module copies: a copy does not change when the module is rewritten", "[cluster]") {
  const TempDir directory;
  const fs::path module = directory.path() / "arena.so";
  fs::create_directory(directory.path() / "run");
  ModuleCopies copies(module, directory.path() / "run");
  std::ofstream(module) << "first";
  const auto first = copies.take();
  REQUIRE(first);
  std::ofstream(module) << "second";  // in place, as some linkers do
  const auto second = copies.take();
  REQUIRE(second);
  CHECK(first->path.filename() == "arena-1.so");
  CHECK(second->path.filename() == "arena-2.so");
  CHECK(second->generation > first->generation);
  CHECK(second->built_at >= first->built_at);
  CHECK(read(first->path) == "first");
  CHECK(read(second->path) == "second");

  copies.remove_all_but(second->generation);
  CHECK_FALSE(fs::exists(first->path));
  CHECK(fs::exists(second->path));
}

TEST_CASE("module copies: a missing module is named in the error, and uses up no number", "[cluster]") {
  const TempDir directory;
  const fs::path module = directory.path() / "arena.so";
  ModuleCopies copies(module, directory.path());
  const auto none = copies.take();
  REQUIRE_FALSE(none);
  CHECK(none.error().message.find(module.string()) != std::string::npos);
  CHECK(none.error().hint == "Build it with 'epic build'.");
  std::ofstream(module) << "now";
  CHECK(copies.take()->generation == Generation{1});
}

TEST_CASE("module copies: a copy that cannot be written is named in the error, and uses up no number", "[cluster]") {
  const TempDir directory;
  const fs::path module = directory.path() / "arena.so";
  std::ofstream(module) << "code";
  ModuleCopies copies(module, directory.path() / "nowhere");
  const auto none = copies.take();
  REQUIRE_FALSE(none);
  CHECK(none.error().message.find("nowhere/arena-1.so") != std::string::npos);
}
