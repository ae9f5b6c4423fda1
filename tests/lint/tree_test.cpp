// The rules over the real tree: each must find nothing.
#include "lint/tree.hpp"

#include <catch2/catch.hpp>

#include "lint/layers.hpp"
#include "lint/text.hpp"

using namespace epic::lint;

namespace {

const Tree& project() {
  static const Tree tree = read_tree(EPIC_SOURCE_DIR);
  return tree;
}

void require_none(const Findings& findings) {
  for (const auto& finding : findings) UNSCOPED_INFO(finding);
  REQUIRE(findings.empty());
}

}  // namespace

TEST_CASE("tree: the project's files are read", "[lint]") {
  CHECK(project().contains("runtime/kernel/ids.hpp"));
  CHECK(project().contains("tests/lint/tree_test.cpp"));
  CHECK(project().contains("README.md"));
}

TEST_CASE("tree: includes follow the layers", "[lint]") { require_none(find_layer_faults(project())); }

TEST_CASE("tree: the kernel is free of I/O, and public headers are light", "[lint]") {
  require_none(find_library_faults(project()));
}

TEST_CASE("tree: clock, randomness, threads and sockets stay in their folders", "[lint]") {
  require_none(find_impure_calls(project()));
}

TEST_CASE("tree: no source is too long", "[lint]") { require_none(find_long_files(project())); }

TEST_CASE("tree: every header opens with its idea", "[lint]") { require_none(find_silent_headers(project())); }

TEST_CASE("tree: what a header leaves to others starts a line", "[lint]") {
  require_none(find_buried_headings(project()));
}

TEST_CASE("tree: whatever entities await, the kernel finds the frames that wait in it", "[lint]") {
  require_none(find_unlisted_awaitables(project()));
}

TEST_CASE("tree: every folder's README names what is in it", "[lint]") { require_none(find_unnamed_files(project())); }

TEST_CASE("tree: every path that a README names exists", "[lint]") { require_none(find_dead_paths(project())); }

TEST_CASE("tree: comments and texts are plain English", "[lint]") { require_none(find_stilted_phrases(project())); }

TEST_CASE("tree: every command of epic that is named somewhere exists", "[lint]") {
  require_none(find_unknown_commands(project()));
}

TEST_CASE("tree: no left-over marks and no paths of one machine", "[lint]") {
  require_none(find_forbidden_words(project()));
}
