#include "cluster/supervisor/module_copies.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <optional>

#include "support/temp_dir.hpp"

using namespace epic::cluster;
using epic::test::TempDir;
namespace fs = std::filesystem;

namespace {

std::string read(const fs::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// A machine of its own, whose project is a file with this text; none if it is empty.
struct MachineOf {
  explicit MachineOf(const std::string& text) {
    fs::create_directory(directory.path() / "run");
    if (!text.empty()) std::ofstream(module) << text;
    copies.emplace(text.empty() ? fs::path() : module, directory.path() / "run", directory.path() / "kept");
  }
  /// Everything that `other` has of it. False if it has nothing.
  bool fetch(ModuleCopies& other, const std::string& digest) {
    for (std::uint64_t offset = 0;;) {
      const auto part = other.read({.digest = digest, .offset = offset});
      if (part.bytes.empty()) return false;
      const auto is_complete = copies->receive(part);
      REQUIRE(is_complete);
      if (*is_complete) return true;
      offset += part.bytes.size();
    }
  }
  TempDir directory;
  fs::path module = directory.path() / "arena.so";
  std::optional<ModuleCopies> copies;
};

std::string large_text(char fill) { return std::string(2 * epic::protocol::kModulePartBytes + 17, fill); }

}  // namespace

TEST_CASE("module copies: one from another machine comes in parts, and is kept by its digest", "[cluster]") {
  MachineOf with_project(large_text('a'));
  const auto theirs = with_project.copies->take();
  REQUIRE(theirs);
  MachineOf other("");
  CHECK_FALSE(other.copies->find(theirs->origin()));
  CHECK_FALSE(other.fetch(*with_project.copies, std::string(64, '0')));
  REQUIRE(other.fetch(*with_project.copies, theirs->digest));
  const auto ours = other.copies->find(theirs->origin());
  REQUIRE(ours);
  CHECK(ours->generation == theirs->generation);
  CHECK(ours->built_at == theirs->built_at);
  CHECK(read(ours->path) == large_text('a'));

  ModuleCopies next_run({}, other.directory.path() / "run", other.directory.path() / "kept");
  CHECK(next_run.find(theirs->origin())->path == ours->path);
  std::ofstream(ours->path, std::ios::app) << "damage";
  ModuleCopies after_damage({}, other.directory.path() / "run", other.directory.path() / "kept");
  CHECK_FALSE(after_damage.find(theirs->origin()));
}

TEST_CASE("module copies: one at another place on this host is taken in, and kept by its digest", "[cluster]") {
  MachineOf with_project("code");
  const auto theirs = with_project.copies->take();
  MachineOf other("");
  REQUIRE(other.copies->take_in(theirs->path) == theirs->digest);
  std::ofstream(theirs->path) << "something else";
  CHECK(read(other.copies->find(theirs->origin())->path) == "code");
  const auto missing = other.copies->take_in(with_project.directory.path() / "nowhere.so");
  REQUIRE_FALSE(missing);
  CHECK_THAT(missing.error().message, Catch::Contains("nowhere.so"));
}

TEST_CASE("module copies: a generation that another leader has used for other code is not taken for it", "[cluster]") {
  MachineOf died("the code of the leader that died");
  MachineOf next("the code of the next leader");
  MachineOf follower("");
  const auto lost = died.copies->take();
  REQUIRE(follower.fetch(*died.copies, lost->digest));
  REQUIRE(follower.copies->find(lost->origin()));

  const auto other = next.copies->take();
  REQUIRE(other->generation == lost->generation);
  CHECK_FALSE(follower.copies->find(other->origin()));
  REQUIRE(follower.fetch(*next.copies, other->digest));
  CHECK(read(follower.copies->find(other->origin())->path) == "the code of the next leader");
  CHECK(read(follower.copies->find(lost->origin())->path) == "the code of the leader that died");
}

TEST_CASE("module copies: one that has come gets its number when it is used", "[cluster]") {
  MachineOf with_project("theirs");
  const auto theirs = with_project.copies->take();
  MachineOf other("ours");
  REQUIRE(other.fetch(*with_project.copies, theirs->digest));
  auto come = other.copies->find({.generation = 0, .built_at = theirs->built_at, .digest = theirs->digest});
  REQUIRE(come);
  CHECK(other.copies->newest() == nullptr);
  const auto ours = other.copies->take();
  const auto numbered = other.copies->number(*std::move(come));
  CHECK(numbered.generation == ours->generation.next());
  CHECK(other.copies->newest()->digest == theirs->digest);
  CHECK(other.copies->take()->generation == numbered.generation.next());
}

TEST_CASE("module copies: the file of a copy that a later restart uses again is kept", "[cluster]") {
  MachineOf with_project("code");
  ModuleCopies& copies = *with_project.copies;
  const auto first = copies.take();
  // As another machine with the same project asks for it.
  const auto again = copies.number(*copies.find({.generation = 0, .built_at = {}, .digest = first->digest}));
  copies.remove_all_but(again.generation);
  REQUIRE(copies.find(again.origin()));
  CHECK(read(copies.find(again.origin())->path) == "code");

  std::ofstream(with_project.module) << "new code";
  copies.remove_all_but(copies.take()->generation);
  CHECK_FALSE(fs::exists(first->path));
}

TEST_CASE("module copies: bytes that are not what the digest says are refused", "[cluster]") {
  MachineOf with_project("code");
  const auto copy = with_project.copies->take();
  auto part = with_project.copies->read({.digest = copy->digest});
  part.bytes.front() ^= std::byte{1};
  MachineOf other("");
  CHECK_FALSE(other.copies->receive(part));
  CHECK_FALSE(other.copies->find(copy->origin()));
  part.digest = "../../somewhere";
  CHECK_FALSE(other.copies->receive(part));
  part = with_project.copies->read({.digest = copy->digest});
  part.offset = 1;
  CHECK_FALSE(other.copies->receive(part));
}

TEST_CASE("module copies: a machine without a project goes on with the newest copy that it has", "[cluster]") {
  MachineOf with_project("code");
  const auto copy = with_project.copies->take();
  MachineOf other("");
  CHECK_FALSE(other.copies->take());
  REQUIRE(other.fetch(*with_project.copies, copy->digest));
  REQUIRE(other.copies->find(copy->origin()));
  const auto again = other.copies->take();
  REQUIRE(again);
  CHECK(again->generation == copy->generation.next());
  CHECK(again->digest == copy->digest);
}

TEST_CASE("module copies: of those from other machines the last ones are kept", "[cluster]") {
  MachineOf other("");
  for (char fill = 'a'; fill <= 'h'; ++fill) {
    MachineOf with_project(std::string(10, fill));
    REQUIRE(other.fetch(*with_project.copies, with_project.copies->take()->digest));
  }
  const auto kept = std::distance(fs::directory_iterator(other.directory.path() / "kept"), fs::directory_iterator());
  CHECK(kept == static_cast<std::ptrdiff_t>(ModuleCopies::kKeptMax));
}

TEST_CASE("module copies: a copy does not change when the module is rewritten", "[cluster]") {
  const TempDir directory;
  const fs::path module = directory.path() / "arena.so";
  fs::create_directory(directory.path() / "run");
  ModuleCopies copies(module, directory.path() / "run", directory.path() / "kept");
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
  ModuleCopies copies(module, directory.path(), directory.path() / "kept");
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
  ModuleCopies copies(module, directory.path() / "nowhere", directory.path() / "kept");
  const auto none = copies.take();
  REQUIRE_FALSE(none);
  CHECK(none.error().message.find("nowhere/arena-1.so") != std::string::npos);
}
