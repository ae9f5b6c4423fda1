#include "sim/sqlite_disk.hpp"

#include <unistd.h>

#include <filesystem>
#include <string>

#include "support/store_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::sim::SqliteDisk;

namespace {

std::unique_ptr<SqliteDisk> make_disk(std::uint64_t seed = 1) {
  return std::make_unique<SqliteDisk>(seed, epic::kernel::ungrouped(kShardCount), [] { return kNow; });
}

Batch both(const ShardEpoch& held, const std::string& text) {
  return batch_of({held}, {put("left", "1", text), put("right", "1", text)});
}

std::string value(Store& store, const char* type) {
  const auto row = must(store.load(type, "1"));
  return row ? text_of(row->bytes) : "";
}

}  // namespace

TEST_CASE("sqlite disk: what a process has written survives its death, and what was synced a power cut", "[sim]") {
  const auto disk = make_disk();
  auto store = must(disk->open());
  const ShardEpoch held = take(*store);
  must(store->commit(both(held, "synced")));
  must(store->sync());
  store.reset();
  CHECK(value(*must(disk->open()), "left") == "synced");

  disk->cut_power();
  CHECK(value(*must(disk->open()), "left") == "synced");
}

TEST_CASE("sqlite disk: a store from before a power cut fails whatever it is asked", "[sim]") {
  const auto disk = make_disk();
  const auto store = must(disk->open());
  const ShardEpoch held = take(*store);
  disk->cut_power();
  CHECK(error_of(store->load("left", "1")).code == StoreErrorCode::io);
  CHECK(error_of(store->commit(both(held, "late"))).code == StoreErrorCode::io);
}

TEST_CASE("sqlite disk: a process that dies within a transaction leaves all of it or nothing, and no lock", "[sim]") {
  int died = 0;
  for (std::uint64_t call = 1; call <= 40; ++call) {
    const auto disk = make_disk(call);
    auto store = must(disk->open());
    const auto neighbour = must(disk->open());
    const ShardEpoch held = take(*store);
    must(store->commit(both(held, "old")));
    disk->set_death(call);
    const bool is_done =
        store->commit(both(held, std::string(9'000, 'n'))).has_value() && store->maintain().has_value();
    disk->set_death(0);
    if (!is_done) {
      ++died;
      CHECK(error_of(store->load("left", "1")).message == "the simulated process has died");
    }
    INFO("dies at call " << call);
    CHECK(value(*neighbour, "left") == value(*neighbour, "right"));
    must(neighbour->commit(both(held, "next")));
    CHECK(value(*must(disk->open()), "left") == "next");
  }
  CHECK(died > 5);
}

TEST_CASE("sqlite disk: a full disk refuses a write for as long as it is full", "[sim]") {
  const auto disk = make_disk();
  const auto store = must(disk->open());
  const ShardEpoch held = take(*store);
  disk->set_full(true);
  const StoreError error = error_of(store->commit(both(held, "text")));
  CHECK(error.code == StoreErrorCode::full);
  CHECK(error.message.find("epic-sim-") == std::string::npos);
  disk->set_full(false);
  must(store->commit(both(held, "text")));
}

TEST_CASE("sqlite disk: a failed sync or write breaks a store, and what others have synced stays", "[sim]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    const auto disk = make_disk(seed);
    auto store = must(disk->open());
    const ShardEpoch held = take(*store);
    must(store->commit(both(held, "synced")));
    disk->set_failing(true);
    const bool is_written = store->commit(both(held, "lost")).has_value() && store->sync().has_value();
    CHECK_FALSE(is_written);
    disk->set_failing(false);

    const auto next = must(disk->open());
    must(next->commit(both(held, "next")));
    must(next->sync());
    disk->cut_power();
    const auto left = must(disk->open());
    CHECK(value(*left, "left") == "next");
    CHECK(value(*left, "right") == "next");
  }
}

TEST_CASE("sqlite disk: a process that dies or fails while it opens its store leaves all that was synced", "[sim]") {
  int refused = 0;
  for (std::uint64_t call = 0; call <= 60; ++call) {
    INFO("dies at call " << call << "; 0: a write or sync fails");
    const auto disk = make_disk(call);
    const bool is_new = call % 3 == 0;
    if (!is_new) {
      const auto store = must(disk->open());
      must(store->commit(both(take(*store), "synced")));
      must(store->sync());
      if (call % 3 == 1) disk->cut_power();
    }
    call == 0 ? disk->set_failing(true) : disk->set_death(1 + call / 3);
    const auto opened = disk->open();
    disk->set_failing(false);
    disk->set_death(0);
    if (!opened) {
      ++refused;
      CHECK(opened.error().message.find("epic-sim-") == std::string::npos);
    }
    const auto next = must(disk->open());
    CHECK(value(*next, "left") == (is_new ? "" : "synced"));
    const ShardEpoch held = take(*next);
    must(next->commit(both(held, "next")));
  }
  CHECK(refused > 5);
}

TEST_CASE("sqlite disk: a bit of the database that rots is noticed: no row reads as anything but what was written",
          "[sim]") {
  constexpr int kRows = 60;
  const auto text_of_row = [](int row) { return std::string(static_cast<std::size_t>(1 + row * 37), 'a' + row % 26); };
  int refused = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    const auto disk = make_disk(seed);
    {
      const auto store = must(disk->open());
      std::vector<Operation> rows;
      for (int row = 0; row < kRows; ++row) rows.push_back(put("row", std::to_string(row), text_of_row(row)));
      const ShardEpoch held = take(*store);
      must(store->commit(batch_of({held}, std::move(rows))));
      must(store->maintain());
      must(store->commit(both(held, "a log of a few pages")));  // which are all that is read from it
      must(store->sync());
    }
    disk->set_rot(1 + seed % 50);
    const auto opened = disk->open();
    if (!opened) {
      ++refused;
      continue;
    }
    for (int row = 0; row < kRows; ++row) {
      const auto found = (*opened)->load("row", std::to_string(row));
      if (!found) {
        ++refused;
        CHECK(found.error().code == StoreErrorCode::corrupt);
      } else if (*found) {
        CHECK(text_of((*found)->bytes) == text_of_row(row));
      }
    }
  }
  CHECK(refused > 50);
}

TEST_CASE("sqlite disk: what a killed process has left is removed by the next, and nothing else is", "[sim]") {
  const std::filesystem::path parent = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
  const auto left = parent / "epic-sim-2000000000-Kw3xYz";  // no process has this number
  const auto mine = parent / ("epic-sim-" + std::to_string(::getpid()) + "-Kw3xYz");
  const auto another = parent / ("epic-sim-2000000000" + std::to_string(::getpid()));
  for (const auto& directory : {left, mine, another}) std::filesystem::create_directories(directory / "0");
  const auto disk = make_disk();
  CHECK_FALSE(std::filesystem::exists(left));
  for (const auto& directory : {mine, another}) {
    CHECK(std::filesystem::exists(directory / "0"));
    std::filesystem::remove_all(directory);
  }
}
