#pragma once
// Entities for tests of shards that move: calls that call back, hold locks, never end.

#include <chrono>
#include <vector>

#include "test_entities.hpp"

namespace epic::testing_entities {

using namespace std::chrono_literals;

/// Never stored.
class Bell : public Entity {
 public:
  static inline std::vector<std::int64_t> tolls;

  Task<std::int64_t> ring() const { co_return 3; }
  Task<void> toll(std::int64_t number) {
    tolls.push_back(number);
    co_return;
  }
  EPIC_ENTITY(Bell, methods(ring, toll), transient)
};

/// Calls that call back.
class Ping : public Entity {
  std::int64_t count_ = 0;

 public:
  Task<std::int64_t> touch() { co_return ++count_; }
  Task<std::int64_t> get() const { co_return count_; }
  Task<std::int64_t> back(Ref<Ping> first) {
    co_await sleep(10ms);
    co_return co_await first->touch();
  }
  Task<std::int64_t> volley(Ref<Ping> other) {
    ++count_;
    co_return co_await other->back(self());
  }
  /// Always two at once, so that the entity is never idle.
  Task<void> keep_busy(Ref<Ping> other) {
    while (true) co_await gather(other->rest(), other->rest());
  }
  Task<void> rest() const { co_await sleep(3ms); }
  Task<void> toll_twice(Ref<Bell> bell) {
    ++count_;
    spawn(bell->toll(1));
    co_await sleep(30ms);
    spawn(bell->toll(2));
  }
  /// Not const, but changes nothing.
  Task<void> toll_once(Ref<Bell> bell, std::int64_t number) {
    spawn(bell->toll(number));
    co_return;
  }
  Task<void> sleep_long() {
    ++count_;
    co_await sleep(1h);
  }
  EPIC_ENTITY(Ping, state(count_),
              methods(touch, get, back, volley, keep_busy, rest, toll_twice, toll_once, sleep_long))
};

/// One call at a time.
class Desk : public Entity {
  std::int64_t count_ = 0;

 public:
  Task<std::int64_t> book() { co_return ++count_; }
  Task<std::int64_t> settle(Ref<Desk> other) {
    co_await sleep(10ms);
    co_return co_await other->book();
  }
  EPIC_ENTITY(Desk, state(count_), exclusive(book, settle))
};

/// What it asks of files goes on without it.
class Filer : public Entity {
 public:
  Task<void> note(std::string path) const {
    spawn(write_file(path, "x"));
    co_return;
  }
  Task<void> look(std::string path) const {
    spawn(look_up(path));
    co_return;
  }
  EPIC_ENTITY(Filer, methods(note, look), transient)

 private:
  static Task<void> look_up(std::string path) { static_cast<void>(co_await read_file(path)); }
};

inline const ModuleInfo& pings() {
  static const EntityInfoFn entities[] = {&Ping::epic_info, &Counter::epic_info, &Desk::epic_info, &Bell::epic_info,
                                          &Filer::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

}  // namespace epic::testing_entities
