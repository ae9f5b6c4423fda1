#include "io/storage_workers.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <semaphore>
#include <utility>

#include "kernel/placement.hpp"
#include "storage/memory_store.hpp"
#include "support/forwarding_store.hpp"

using namespace std::chrono_literals;
using namespace epic::kernel;
using epic::io::StorageWorkers;
using epic::storage::MemoryStore;
using epic::storage::StoreError;
using epic::storage::StoreErrorCode;

namespace {

/// A store in memory; its next commits fail on request.
class FaultyStore : public epic::test::ForwardingStore {
 public:
  explicit FaultyStore(std::vector<StoreErrorCode> faults)
      : ForwardingStore(std::make_unique<MemoryStore>(epic::kernel::ungrouped(4), &std::chrono::system_clock::now,
                                                      MemoryStore::Granting::implied)),
        faults_(std::move(faults)) {}

  std::expected<void, StoreError> write_next(const NextBatch& next) override {
    ++tries;
    if (before_turn) before_turn();
    if (std::exchange(has_written_, false)) return {};
    if (faults_.empty()) return inner().write_next(next);
    const StoreErrorCode fault = faults_.front();
    faults_.erase(faults_.begin());
    if (fault == StoreErrorCode::unsure) {  // it is written, which shows the next time
      has_written_ = true;
      static_cast<void>(inner().write_next(next));
    } else {
      static_cast<void>(next());
    }
    return std::unexpected(StoreError{fault, "told to fail"});
  }
  std::expected<std::optional<epic::storage::Snapshot>, StoreError> load(std::string_view type,
                                                                         std::string_view key) override {
    ++loads;
    if (busy_loads > 0 && busy_loads-- > 0) return std::unexpected(StoreError{StoreErrorCode::busy, "cannot be asked"});
    return inner().load(type, key);
  }
  std::expected<void, StoreError> check_files() override {
    if (is_displaced) return std::unexpected(StoreError{StoreErrorCode::displaced, "it was moved"});
    return inner().check_files();
  }
  std::expected<void, StoreError> sync() override {
    if (is_displaced) return check_files();
    return on_sync ? on_sync() : inner().sync();
  }

  std::atomic<int> tries{0};
  std::atomic<int> loads{0};
  std::atomic<int> busy_loads{0};         // that fail from now on
  std::atomic<bool> is_displaced{false};  // may be set at any time; the functions below only while nothing runs
  std::function<std::expected<void, StoreError>()> on_sync;
  std::function<void()> before_turn;

 private:
  std::vector<StoreErrorCode> faults_;
  bool has_written_ = false;
};

/// That goes on when the test says so.
struct MovedClock final : epic::io::Clock {
  epic::io::StorageWork::TimePoint now{1s};
  [[nodiscard]] std::int64_t monotonic_ns() const override { return now.time_since_epoch() / 1ns; }
  [[nodiscard]] std::int64_t wall_ns() const override { return 0; }
  [[nodiscard]] epic::io::BootTime boot_now() const override { return {}; }
};

struct StorageWorkersFixture {
  explicit StorageWorkersFixture(std::vector<StoreErrorCode> faults = {}) {
    auto owned = std::make_unique<FaultyStore>(std::move(faults));
    store = owned.get();
    thread.emplace(std::move(owned), [this] { woken.release(); });
  }
  /// Waits for the next event of this kind; earlier ones are dropped.
  template <class Kind>
  Kind wait_for() {
    while (true) {
      while (!pending.empty()) {
        StorageWorkers::Event event = std::move(pending.front());
        pending.erase(pending.begin());
        if (auto* found = std::get_if<Kind>(&event)) return std::move(*found);
      }
      REQUIRE(woken.try_acquire_for(30s));
      pending = thread->events();
    }
  }
  Batch make_batch(std::uint64_t number) {
    const ShardId shard = ungrouped(4).shard_of("Counter/a");
    return {.number = CommitNumber{number},
            .writer = Incarnation{1},
            .epochs = {{shard, Epoch{1}}},
            .schemas = {{SchemaId{5}, "Counter\nrecord Counter { }"}},
            .operations = {PutSnapshot{.type = "Counter",
                                       .key = "a",
                                       .shard = shard,
                                       .version = Version{number},
                                       .replaces = {},
                                       .schema = SchemaId{5},
                                       .bytes = std::vector<std::byte>(8)}}};
  }
  void take_all() {
    thread->take({ShardId{0}, ShardId{1}, ShardId{2}, ShardId{3}}, NodeId{1}, Incarnation{1});
    thread->flush();
    CHECK(wait_for<StorageWorkers::Taken>().epochs.size() == 4);
  }

  std::counting_semaphore<> woken{0};
  FaultyStore* store = nullptr;
  std::vector<StorageWorkers::Event> pending;
  std::optional<StorageWorkers> thread;  // last: it calls the other members
};

}  // namespace

TEST_CASE("storage workers: what was committed is loaded, with its schema's text", "[io][threads]") {
  StorageWorkersFixture f;
  f.take_all();
  f.thread->commit(f.make_batch(1));
  f.thread->flush();
  CHECK(f.wait_for<StorageWorkers::Committed>().number == CommitNumber{1});
  f.thread->load({3, 4}, "Counter", "a");
  f.thread->flush();
  const auto loaded = f.wait_for<StorageWorkers::Loaded>();
  CHECK(loaded.activation == ActivationId{3, 4});
  REQUIRE(loaded.result.has_value());
  REQUIRE(loaded.result->saved.has_value());
  CHECK(loaded.result->version == Version{1});
  CHECK(loaded.result->saved->schema_text == "Counter\nrecord Counter { }");
}

TEST_CASE("storage workers: an entity that was never saved loads as nothing", "[io][threads]") {
  StorageWorkersFixture f;
  f.thread->load({1, 1}, "Counter", "nobody");
  f.thread->flush();
  const auto loaded = f.wait_for<StorageWorkers::Loaded>();
  REQUIRE(loaded.result.has_value());
  CHECK_FALSE(loaded.result->saved.has_value());
}

TEST_CASE("storage workers: a full disk is told, and the same batch is tried again until it goes", "[io][threads]") {
  StorageWorkersFixture f({StoreErrorCode::full, StoreErrorCode::full});
  f.take_all();
  f.thread->commit(f.make_batch(1));
  f.thread->flush();
  CHECK(f.wait_for<StorageWorkers::Blocked>().reason == "told to fail");
  f.thread->load({1, 1}, "Counter", "a");  // loads continue meanwhile
  f.thread->flush();
  f.wait_for<StorageWorkers::Loaded>();
  f.wait_for<StorageWorkers::Unblocked>();
  CHECK(f.wait_for<StorageWorkers::Committed>().number == CommitNumber{1});
  CHECK(f.store->tries == 3);
}

TEST_CASE("storage workers: what cannot be read just now is read again, and nobody gets an error for it",
          "[io][threads]") {
  StorageWorkersFixture f;
  f.take_all();
  f.thread->commit(f.make_batch(1));
  f.thread->flush();
  f.wait_for<StorageWorkers::Committed>();
  f.store->busy_loads = 3;
  f.thread->load({3, 4}, "Counter", "a");
  f.thread->flush();
  CHECK(f.wait_for<StorageWorkers::Blocked>().reason == "cannot be asked");
  const auto loaded = f.wait_for<StorageWorkers::Loaded>();
  REQUIRE(loaded.result.has_value());
  CHECK(loaded.result->version == Version{1});
  f.wait_for<StorageWorkers::Unblocked>();
}

TEST_CASE("storage workers: when one read is refused for now the others wait without a try of their own", "[io]") {
  auto owned = std::make_unique<FaultyStore>(std::vector<StoreErrorCode>());
  FaultyStore& store = *owned;
  MovedClock clock;
  epic::io::StorageWork work(std::move(owned), clock, [] {});
  store.busy_loads = 1000;
  for (std::uint32_t i = 0; i < 10; ++i) work.load({i, 1}, "Counter", "a");
  work.flush();
  static_cast<void>(work.work());
  CHECK(store.loads == 1);
  REQUIRE(work.events().size() == 1);
  store.busy_loads = 0;
  clock.now = work.next_due();
  static_cast<void>(work.work());
  const auto events = work.events();
  REQUIRE(events.size() == 11);
  for (std::uint32_t i = 0; i < 10; ++i)
    CHECK(std::get<StorageWorkers::Loaded>(events[i]).activation == ActivationId{i, 1});
  CHECK(std::holds_alternative<StorageWorkers::Unblocked>(events.back()));
}

TEST_CASE(
    "storage workers: a batch whose outcome was open and that turns out to be written is confirmed, and not given "
    "again",
    "[io][threads]") {
  StorageWorkersFixture f({StoreErrorCode::unsure});
  f.take_all();
  f.thread->commit(f.make_batch(1));
  f.thread->flush();
  f.wait_for<StorageWorkers::Blocked>();
  f.thread->commit(f.make_batch(2));  // must not be joined to the first one
  f.thread->flush();
  CHECK(f.wait_for<StorageWorkers::Committed>().number == CommitNumber{1});
  CHECK(f.wait_for<StorageWorkers::Committed>().number == CommitNumber{2});
  CHECK(f.store->tries == 3);
}

TEST_CASE("storage workers: however long a disk was full, it is tried again twice a second", "[io][threads]") {
  StorageWorkersFixture f(std::vector(8, StoreErrorCode::full));
  f.take_all();
  f.thread->commit(f.make_batch(1));
  f.thread->flush();
  while (f.store->tries < 6) f.wait_for<StorageWorkers::Blocked>();
  const auto begin = std::chrono::steady_clock::now();
  f.wait_for<StorageWorkers::Committed>();
  CHECK(std::chrono::steady_clock::now() - begin < 4s);  // three tries; doubling delays would take eleven seconds
}

TEST_CASE("storage workers: batches that come before the store's turn are one transaction, answered once",
          "[io][threads]") {
  std::binary_semaphore at_the_lock{0};
  std::binary_semaphore turn{0};
  StorageWorkersFixture f;  // its threads use what is above
  f.take_all();
  f.store->before_turn = [&] {
    at_the_lock.release();
    turn.acquire();
  };
  f.thread->commit(f.make_batch(1));
  f.thread->flush();
  REQUIRE(at_the_lock.try_acquire_for(30s));
  CHECK_FALSE(f.thread->is_writing());
  f.thread->commit(f.make_batch(2));
  f.thread->flush();
  f.thread->commit(f.make_batch(3));
  f.thread->flush();
  turn.release();
  CHECK(f.wait_for<StorageWorkers::Committed>().number == CommitNumber{3});
  CHECK(f.store->tries == 1);
  CHECK_FALSE(f.thread->is_writing());
}

TEST_CASE("storage workers: a batch is written while the one before it becomes durable, and told after it",
          "[io][threads]") {
  std::binary_semaphore at_the_disk{0};
  std::binary_semaphore is_durable{0};
  std::atomic<int> syncs = 0;
  StorageWorkersFixture f;  // its threads use what is above
  f.take_all();
  f.store->on_sync = [&]() -> std::expected<void, StoreError> {
    if (++syncs == 1) {
      at_the_disk.release();
      is_durable.acquire();
    }
    return {};
  };
  f.thread->commit(f.make_batch(1));
  f.thread->flush();
  REQUIRE(at_the_disk.try_acquire_for(30s));
  CHECK_FALSE(f.thread->is_writing());
  f.thread->commit(f.make_batch(2));
  f.thread->flush();
  // Its sync covers the first one, too, which is therefore not confirmed separately.
  CHECK(f.wait_for<StorageWorkers::Committed>().number == CommitNumber{2});
  is_durable.release();
  f.thread->commit(f.make_batch(3));
  f.thread->flush();
  CHECK(f.wait_for<StorageWorkers::Committed>().number == CommitNumber{3});
}

TEST_CASE("storage workers: after a sync that failed nothing is told to be durable", "[io][threads]") {
  std::binary_semaphore at_the_disk{0};
  std::binary_semaphore has_failed{0};
  std::atomic<int> syncs = 0;
  StorageWorkersFixture f;  // its threads use what is above
  f.take_all();
  f.store->on_sync = [&]() -> std::expected<void, StoreError> {
    if (++syncs == 1) {
      at_the_disk.release();
      has_failed.acquire();
      return {};
    }
    return std::unexpected(StoreError{StoreErrorCode::io, "told to fail"});
  };
  f.thread->commit(f.make_batch(1));
  f.thread->flush();
  REQUIRE(at_the_disk.try_acquire_for(30s));
  f.thread->commit(f.make_batch(2));
  f.thread->flush();
  CHECK(f.wait_for<StorageWorkers::Fatal>().reason == "told to fail");
  has_failed.release();
  f.thread.reset();
  CHECK_FALSE(f.woken.try_acquire());
}

TEST_CASE("storage workers: what waits behind a full disk is committed in order", "[io][threads]") {
  StorageWorkersFixture f({StoreErrorCode::full});
  f.take_all();
  f.thread->commit(f.make_batch(1));
  f.thread->flush();
  f.wait_for<StorageWorkers::Blocked>();
  CHECK(f.thread->is_writing());  // so the kernel sends no more
  f.thread->commit(f.make_batch(2));
  f.thread->flush();
  CHECK(f.wait_for<StorageWorkers::Committed>().number == CommitNumber{2});
  f.thread->load({1, 1}, "Counter", "a");
  f.thread->flush();
  CHECK(f.wait_for<StorageWorkers::Loaded>().result->version == Version{2});
}

TEST_CASE("storage workers: after an I/O error nothing is tried again", "[io][threads]") {
  const StoreErrorCode code = GENERATE(StoreErrorCode::io, StoreErrorCode::lost_ownership);
  std::atomic<bool> was_read{false};
  {
    StorageWorkersFixture f({code});
    f.take_all();
    f.thread->commit(f.make_batch(1));
    f.thread->flush();
    CHECK(f.wait_for<StorageWorkers::Fatal>().reason == "told to fail");
    f.thread->read([&](auto&) -> StorageWorkers::Continuation {
      was_read = true;
      return {};
    });
    f.thread->flush();
    CHECK(f.store->tries == 1);
  }
  CHECK_FALSE(was_read);
}

TEST_CASE("storage workers: a read runs beside, and what it returns is left to the caller's thread", "[io][threads]") {
  StorageWorkersFixture f;
  std::thread::id reader;
  bool is_continued = false;
  f.thread->read([&](epic::storage::Store&) -> StorageWorkers::Continuation {
    reader = std::this_thread::get_id();
    return [&] { is_continued = true; };
  });
  f.thread->flush();
  const auto then = f.wait_for<StorageWorkers::Continuation>();
  CHECK(reader != std::this_thread::get_id());
  CHECK_FALSE(is_continued);
  then();
  CHECK(is_continued);
}

TEST_CASE("storage workers: what was written to files that were exchanged is confirmed only when they are back",
          "[io][threads]") {
  StorageWorkersFixture f;
  f.take_all();
  f.store->is_displaced = true;
  f.thread->commit(f.make_batch(1));
  f.thread->flush();
  CHECK(f.wait_for<StorageWorkers::Blocked>().reason == "it was moved");
  const int tries = f.store->tries;
  f.thread->commit(f.make_batch(2));
  f.thread->flush();
  f.wait_for<StorageWorkers::Blocked>();
  CHECK(f.store->tries == tries);  // nothing more is written meanwhile

  f.store->is_displaced = false;
  f.wait_for<StorageWorkers::Unblocked>();
  while (f.wait_for<StorageWorkers::Committed>().number < CommitNumber{2}) {
  }
}

TEST_CASE("storage workers: files that were exchanged are noticed without any work", "[io][threads]") {
  StorageWorkersFixture f;
  f.store->is_displaced = true;
  CHECK(f.wait_for<StorageWorkers::Blocked>().reason == "it was moved");
}

TEST_CASE("storage workers: a read at a cut sees nothing that was handed over with it or later", "[io][threads]") {
  std::binary_semaphore is_at_turn{0}, may_go_on{0};
  StorageWorkersFixture f;  // its threads use what is above
  f.take_all();
  f.store->before_turn = [&, first = true]() mutable {
    if (!std::exchange(first, false)) return;
    is_at_turn.release();
    may_go_on.acquire();
  };
  f.thread->commit(f.make_batch(1));
  f.thread->flush();
  is_at_turn.acquire();  // it waits for its turn, and would take along what comes now
  std::uint64_t seen = 0;
  f.thread->read_at_cut([&](epic::storage::Store& store) -> StorageWorkers::Continuation {
    seen = store.load("Counter", "a").value()->version.value;
    return {};
  });
  f.thread->commit(f.make_batch(2));
  f.thread->flush();
  may_go_on.release();
  while (f.wait_for<StorageWorkers::Committed>().number < CommitNumber{2}) {
  }
  CHECK(seen == 1);
}

TEST_CASE("storage workers: nothing wakes for a store without files", "[io][threads]") {
  const epic::io::SystemClock clock;
  epic::io::StorageWork work(std::make_unique<MemoryStore>(epic::kernel::ungrouped(4), &std::chrono::system_clock::now),
                             clock, [] {});
  CHECK(work.next_due() == epic::io::StorageWork::TimePoint::max());
  work.load({1, 1}, "Counter", "a");
  work.flush();
  CHECK(work.next_due() == epic::io::StorageWork::TimePoint::min());
  CHECK_FALSE(work.work().has_value());
  CHECK(work.next_due() == epic::io::StorageWork::TimePoint::max());
}
