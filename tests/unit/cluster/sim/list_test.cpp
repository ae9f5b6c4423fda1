#include "epic/list.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

#include "epic/testing.hpp"

namespace {

using Keys = std::vector<std::string>;

class Shelf : public epic::Entity {
  std::int64_t books_ = 0;

 public:
  epic::Task<> put() {
    ++books_;
    co_return;
  }
  epic::Task<std::int64_t> look() const { co_return books_; }
  EPIC_ENTITY(Shelf, state(books_), methods(put, look))
};

class Archivist : public epic::Entity {
 public:
  epic::Task<std::vector<std::string>> walk(std::string prefix) const {
    std::vector<std::string> all;
    epic::ListPage page;
    do {
      page = co_await epic::list<Shelf>(prefix, {.after = page.next, .limit = 2});
      all.insert(all.end(), page.keys.begin(), page.keys.end());
    } while (!page.next.empty());
    co_return all;
  }
  EPIC_ENTITY(Archivist, methods(walk), transient)
};

/// Not in the module.
class Unknown : public epic::Entity {
 public:
  epic::Task<> stand() const { co_return; }
  EPIC_ENTITY(Unknown, methods(stand), transient)
};

constexpr epic::EntityInfoFn kLibrary[] = {&Shelf::epic_info, &Archivist::epic_info};
const epic::ModuleInfo kLibraryModule{EPIC_ABI_TAG, kLibrary, &epic::no_setup};

}  // namespace

TEST_CASE("list: what is saved and what is in memory, each once, in order and in pages", "[sim]") {
  epic::testing::Node node(kLibraryModule);
  for (const char* key : {"b1", "a5", "a3", "a1", "a4", "a2"}) node.call(epic::Ref<Shelf>(key)->put());
  node.call(epic::Ref<Shelf>("a0")->look());  // in memory, and not saved

  const epic::ListPage first = node.call(epic::list<Shelf>("a", {.limit = 4}));
  CHECK(first.keys == Keys{"a0", "a1", "a2", "a3"});
  CHECK(first.next == "a3");
  const epic::ListPage second = node.call(epic::list<Shelf>("a", {.after = first.next, .limit = 4}));
  CHECK(second.keys == Keys{"a4", "a5"});
  CHECK(second.next.empty());
  CHECK(node.call(epic::list<Shelf>("a", {.limit = 6})).next.empty());
  CHECK(node.call(epic::list<Shelf>("a", {.after = "a5"})).keys.empty());
  CHECK(node.call(epic::list<Shelf>("c")).keys.empty());
  CHECK(node.call(epic::list<Shelf>()).keys.size() == 7);

  CHECK(node.call(epic::Ref<Archivist>("Ann")->walk("a")) == Keys{"a0", "a1", "a2", "a3", "a4", "a5"});
  CHECK(node.call(epic::list<Archivist>()).keys == Keys{"Ann"});

  node.crash();  // nothing is in memory any more
  CHECK(node.call(epic::list<Shelf>("a")).keys == Keys{"a1", "a2", "a3", "a4", "a5"});
  CHECK(node.call(epic::list<Archivist>()).keys.empty());
}

TEST_CASE("list: a page has a bounded size, and the class must exist", "[sim]") {
  CHECK_THROWS_WITH(epic::list<Shelf>({}, {.limit = 0}), Catch::Contains("has 1 to 1000 keys, not 0"));
  CHECK_THROWS_AS(epic::list<Shelf>({}, {.limit = epic::kListLimitMax + 1}), std::invalid_argument);
  epic::testing::Node node(kLibraryModule);
  CHECK_THROWS_AS(node.call(epic::list<Unknown>()), epic::NoSuchType);
}
