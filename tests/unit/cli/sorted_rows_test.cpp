#include "cli/fabric/sorted_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace epic::cli;

namespace {

Result<SortedRows> rows_of(const std::vector<std::string>& names, std::size_t padding = 0,
                           const Catalog& catalog = {}) {
  std::FILE* file = make_temporary_file();
  REQUIRE(file != nullptr);
  for (const std::string& name : names)
    fmt::print(file, "{{\"entity\":\"{}\",\"pad\":\"{}\"}}\n", name, std::string(padding, 'x'));
  auto opened = SnapshotFile::adopt("a.jsonl", file);
  REQUIRE(opened);
  return SortedRows::open(std::move(*opened), catalog, 64u << 10);
}

std::vector<std::string> names_of(SortedRows& rows) {
  std::vector<std::string> names;
  while (true) {
    auto row = rows.next();
    REQUIRE(row);
    if (!*row) return names;
    CHECK((*row)->text.find('"' + (*row)->name + '"') != std::string::npos);
    names.push_back((*row)->name);
  }
}

}  // namespace

TEST_CASE("sorted rows: the order is by type, then key, in bytes", "[cli]") {
  const std::vector<std::string> in_order{"A/2", "A/a", "A/\xc3\xa9", "A-/1", "AB/1"};
  auto as_it_is = rows_of(in_order);
  REQUIRE(as_it_is);
  CHECK(names_of(*as_it_is) == in_order);

  auto reversed = rows_of({in_order.rbegin(), in_order.rend()});
  REQUIRE(reversed);
  CHECK(names_of(*reversed) == in_order);
  CHECK(reversed->count() == 5);
}

TEST_CASE("sorted rows: rows that do not fit into memory are sorted in runs", "[cli]") {
  std::vector<std::string> names;
  for (int i = 0; i < 150; ++i) names.push_back(fmt::format("A/{:03}", (i * 37) % 150));
  auto rows = rows_of(names, 1'000);  // about 150 kB, in runs of 64 KiB
  REQUIRE(rows);
  std::ranges::sort(names);
  CHECK(names_of(*rows) == names);
}

TEST_CASE("sorted rows: an entity that occurs twice, or has no name, is an error with its position", "[cli]") {
  auto twice = rows_of({"A/2", "A/1", "A/2"});
  REQUIRE(twice);
  REQUIRE(twice->next());
  REQUIRE(twice->next());
  const auto again = twice->next();
  REQUIRE_FALSE(again);
  CHECK(again.error().what == "A/2 occurs twice in a.jsonl");

  const auto nameless = rows_of({"A/1", "A"});
  REQUIRE_FALSE(nameless);
  CHECK(nameless.error().what.starts_with("a.jsonl, line 2: "));
}

TEST_CASE("sorted rows: a row with a former name of its class belongs to the class", "[cli]") {
  const Catalog catalog = catalog_from(boost::json::parse(R"({"types":[{"type":"Player","formerly":["Hero"]}]})"));
  auto rows = rows_of({"Hero/Bob", "Match/1", "Player/Ann"}, 0, catalog);
  REQUIRE(rows);
  std::vector<std::string> names;
  while (true) {
    auto row = rows->next();
    REQUIRE(row);
    if (!*row) break;
    names.push_back((*row)->name);
  }
  CHECK(names == std::vector<std::string>{"Match/1", "Player/Ann", "Player/Bob"});
}
