// The example of the README: an entity that uses a library whose calls block. What it does is also the test of
// epic::blocking on a node of a simulated fabric, and in a script.

#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "epic/script.hpp"
#include "epic/testing.hpp"
#include "support/temp_dir.hpp"

namespace {

/// Blocks while it reads. It knows nothing of entities.
std::vector<std::string> find_titles(const std::string& file, const std::string& word) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &opened, SQLITE_OPEN_READONLY, nullptr);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database(opened, &sqlite3_close);
  if (code != SQLITE_OK) throw std::runtime_error(file + ": " + sqlite3_errmsg(opened));
  sqlite3_stmt* prepared = nullptr;
  sqlite3_prepare_v2(opened, "select title from book where instr(title, ?) order by title", -1, &prepared, nullptr);
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> query(prepared, &sqlite3_finalize);
  sqlite3_bind_text(prepared, 1, word.c_str(), -1, SQLITE_TRANSIENT);
  std::vector<std::string> titles;
  while (sqlite3_step(prepared) == SQLITE_ROW)
    titles.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(prepared, 0)));
  return titles;
}

class Librarian : public epic::Entity {
  std::int64_t searches_ = 0;

 public:
  epic::Task<std::vector<std::string>> search(std::string word) {
    ++searches_;
    co_return co_await epic::blocking([file = std::string(key()), word] { return find_titles(file, word); });
  }
  epic::Task<std::int64_t> searches() const { co_return searches_; }
  EPIC_ENTITY(Librarian, state(searches_), methods(search, searches))
};

const epic::ModuleInfo& librarians() {
  static const epic::EntityInfoFn entities[] = {&Librarian::epic_info};
  static const epic::ModuleInfo info{EPIC_ABI_TAG, entities, &epic::no_setup};
  return info;
}

std::string make_catalogue(const std::filesystem::path& folder) {
  const std::string file = (folder / "books.sqlite").string();
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &database) == SQLITE_OK);
  REQUIRE(sqlite3_exec(database,
                       "create table book(title); insert into book values ('Of barrels'), ('On joinery'), "
                       "('The last barrel')",
                       nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
  return file;
}

}  // namespace

TEST_CASE("blocking: an entity that uses a library whose calls block, on a node in a test", "[sim]") {
  const epic::test::TempDir folder;
  const std::string file = make_catalogue(folder.path());
  epic::testing::Node node(librarians());
  CHECK(node.call(node.get<Librarian>(file)->search("barrel")) ==
        std::vector<std::string>{"Of barrels", "The last barrel"});
  CHECK_THROWS_WITH(node.call(node.get<Librarian>("no-such-file")->search("barrel")),
                    Catch::Contains("no-such-file: unable to open"));
  node.crash();
  CHECK(node.call(node.get<Librarian>(file)->searches()) == 1);
  CHECK(node.call(node.get<Librarian>("no-such-file")->searches()) == 1);  // saved before the library was called
}

TEST_CASE("blocking: the same entity in a script needs no library", "[sim]") {
  epic::testing::Script<Librarian> librarian("books.sqlite", librarians());
  auto search = librarian.call<&Librarian::search>("barrel");
  librarian.expect(epic::testing::blocks<std::vector<std::string>>()).answer(std::vector<std::string>{"Of barrels"});
  CHECK(search.result() == std::vector<std::string>{"Of barrels"});
  CHECK(librarian.state() == R"({"searches_":1})");
}
