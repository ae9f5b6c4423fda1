#include "cli/fabric/snapshot_file.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>

using namespace epic::cli;

namespace {

Result<SnapshotFile> file_of(std::string_view text) {
  std::FILE* file = make_temporary_file();
  REQUIRE(file != nullptr);
  REQUIRE(std::fwrite(text.data(), 1, text.size(), file) == text.size());
  return SnapshotFile::adopt("a.jsonl", file);
}

using Rows = std::vector<std::pair<std::uint64_t, std::string>>;

Rows rows_of(SnapshotFile& file) {
  Rows rows;
  while (true) {
    auto row = file.next();
    REQUIRE(row);
    if (!*row) return rows;
    rows.emplace_back((*row)->line, (*row)->text);
  }
}

}  // namespace

TEST_CASE("snapshot file: JSON lines are rows, with line numbers", "[cli]") {
  auto file = file_of("{\"entity\":\"A/1\"}\n\n  \n{\"entity\":\"A/2\"}\nnonsense");
  REQUIRE(file);
  const Rows expected{{1, R"({"entity":"A/1"})"}, {4, R"({"entity":"A/2"})"}, {5, "nonsense"}};
  CHECK(rows_of(*file) == expected);
  file->rewind();
  CHECK(rows_of(*file) == expected);
}

TEST_CASE("snapshot file: a pipe is read to its end, an endless device is refused, and an empty one is empty",
          "[cli]") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const std::string text = "{\"entity\":\"A/1\"}\n";
  REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  auto file = SnapshotFile::open("/dev/fd/" + std::to_string(ends[0]));
  ::close(ends[0]);
  REQUIRE(file);
  CHECK(rows_of(*file) == Rows{{1, R"({"entity":"A/1"})"}});

  CHECK(SnapshotFile::open("/dev/zero").error().why == "it is a device");
  auto empty = SnapshotFile::open("/dev/null");
  REQUIRE(empty);
  CHECK(rows_of(*empty).empty());
}

TEST_CASE("snapshot file: one document gives its snapshots, however it is laid out", "[cli]") {
  const Rows compact{{1, R"({"entity":"A/1","state":{"t":"]}\"["}})"}, {1, R"({"entity":"A/2"})"}};
  auto one_line =
      file_of(R"({"format":"x","snapshots":[{"entity":"A/1","state":{"t":"]}\"["}},{"entity":"A/2"}],"cuts":[]})");
  REQUIRE(one_line);
  CHECK(rows_of(*one_line) == compact);

  auto indented = file_of(
      "{\n  \"head\": {\"snapshots\": [1]},\n  \"snapshots\" :\n  [\n    {\n      \"entity\": \"A/1\"\n    }\n  "
      "]\n}\n");
  REQUIRE(indented);
  CHECK(rows_of(*indented) == Rows{{5, "{\n      \"entity\": \"A/1\"\n    }"}});

  auto empty = file_of("{\"snapshots\":[]}");
  REQUIRE(empty);
  CHECK(rows_of(*empty).empty());
}

TEST_CASE("snapshot file: a state with a field called snapshots is not a document", "[cli]") {
  auto file = file_of("{\"entity\":\"A/1\",\"state\":{\"snapshots\":[1]}}\n{\"entity\":\"A/2\"}\n");
  REQUIRE(file);
  CHECK(rows_of(*file).size() == 2);
}

TEST_CASE("snapshot file: a truncated document is an error with the line", "[cli]") {
  auto file = file_of("{\"snapshots\":[\n{\"entity\":\"A/1\"},\n{\"entity\":");
  REQUIRE(file);
  REQUIRE(file->next());
  const auto broken = file->next();
  REQUIRE_FALSE(broken);
  CHECK(broken.error().what == "a.jsonl, line 3: the list of snapshots is malformed from here on");
}

TEST_CASE("snapshot file: the entity of a row is a type and a key", "[cli]") {
  const auto name = entity_of_row(R"({"state":{"entity":"no"},"entity":"Player/a/b"})");
  REQUIRE(name);
  CHECK(name->type == "Player");
  CHECK(name->key == "a/b");
  for (const char* row : {"", "[]", "{}", R"({"entity":7})", R"({"entity":"Player"})", R"({"entity":"/x"})"})
    CHECK_FALSE(entity_of_row(row));
}
