#pragma once
// Entities for the kernel's tests.

#include <boost/describe/class.hpp>
#include <epic/epic.hpp>
#include <stdexcept>
#include <vector>

namespace epic::testing_entities {

class Counter : public Entity {
  std::int64_t count_ = 0;

 public:
  Task<std::int64_t> add(std::int64_t amount) { co_return count_ += amount; }
  Task<std::int64_t> get() const { co_return count_; }
  Task<void> touch() { co_return; }
  Task<void> fail(std::string why) {
    ++count_;
    throw std::invalid_argument(why);
    co_return;
  }
  Task<std::int64_t> add_slowly(std::int64_t amount) {
    const std::int64_t before = count_;
    co_await sleep(std::chrono::milliseconds(10));
    co_return count_ = before + amount;
  }
  Task<void> doze() const { co_await sleep(std::chrono::nanoseconds::max()); }
  Task<void> doze_for_years(std::int64_t years) const { co_await sleep(std::chrono::years(years)); }
  Task<std::string> who() const { co_return std::string(key()); }
  Task<void> forget() {
    erase();
    co_return;
  }
  /// Erases in one turn, and continues in others without changing anything.
  Task<void> forget_then_touch(Ref<Counter> other) {
    erase();
    co_await other->touch();
    co_await sleep(std::chrono::milliseconds(100));
  }
  /// Erases in one turn, and changes in the next.
  Task<void> forget_then_add(Ref<Counter> other, std::int64_t amount) {
    erase();
    co_await other->touch();
    count_ += amount;
  }
  EPIC_ENTITY(Counter, state(count_),
              methods(add, get, touch, fail, add_slowly, doze, doze_for_years, who, forget, forget_then_touch,
                      forget_then_add))
};

/// The same, one call at a time.
class Account : public Entity {
  std::int64_t balance_ = 0;

 public:
  Task<std::int64_t> deposit(std::int64_t amount) {
    const std::int64_t before = balance_;
    co_await sleep(std::chrono::milliseconds(10));
    co_return balance_ = before + amount;
  }
  Task<std::int64_t> balance() const { co_return balance_; }
  /// Calls itself, through its own lock.
  Task<std::int64_t> deposit_twice(std::int64_t amount) {
    co_await self()->deposit(amount);
    co_return co_await self()->deposit(amount);
  }
  Task<std::int64_t> read_through_lock() { co_return co_await self()->balance(); }
  EPIC_ENTITY(Account, state(balance_), methods(balance), exclusive(deposit, deposit_twice, read_through_lock))
};

/// Calls others.
class Caller : public Entity {
  std::vector<std::int64_t> seen_;

 public:
  Task<std::int64_t> add_to(Ref<Counter> counter, std::int64_t amount) { co_return co_await counter->add(amount); }
  Task<std::int64_t> sum(std::vector<Ref<Counter>> counters) {
    std::vector<Call<std::int64_t>> calls;
    for (const auto& counter : counters) calls.push_back(counter->get());
    std::int64_t total = 0;
    for (const std::int64_t value : co_await gather(std::move(calls))) total += value;
    co_return total;
  }
  Task<std::string> catch_failure(Ref<Counter> counter) {
    try {
      co_await counter->fail("no barrels left");
    } catch (const std::invalid_argument& error) {
      co_return std::string("here: ") + error.what();
    } catch (const CallFailed& error) {
      co_return error.type_name() + ": " + error.what();
    }
    co_return "nothing was thrown";
  }
  /// Makes a hundred calls, of which only the last is awaited; `seen` shows their order.
  Task<std::vector<std::int64_t>> add_in_order(Ref<Counter> counter, int count) {
    std::vector<Spawned<std::int64_t>> started;
    for (int i = 0; i < count; ++i) started.push_back(spawn(counter->add(1)));
    std::vector<std::int64_t> results;
    for (auto& one : started) results.push_back(co_await one);
    co_return results;
  }
  Task<std::int64_t> call_many(Ref<Counter> counter, std::int64_t count) {
    std::int64_t last = 0;
    for (std::int64_t i = 0; i < count; ++i) last = co_await counter->add(1);
    co_return last;
  }
  Task<std::string> impatient(Ref<Counter> counter) {
    try {
      co_await counter.with(std::chrono::milliseconds(6))->add_slowly(1);
    } catch (const Timeout& error) {
      co_return error.what();
    }
    co_return "it was in time";
  }
  Task<void> remember(std::int64_t value) {
    seen_.push_back(value);
    co_await saved();
  }
  Task<std::string> id() const { co_return call_id(); }
  Task<void> wait_for(Ref<Counter> counter, std::int64_t count) const {
    while (co_await counter.cached(std::chrono::seconds(1))->get() < count) {
    }
  }
  EPIC_ENTITY(Caller, state(seen_),
              methods(add_to, sum, catch_failure, add_in_order, call_many, impatient, remember, id, wait_for))
};

/// A value that can be nested to any depth.
struct Tree {
  std::vector<Tree> branches;
};
BOOST_DESCRIBE_STRUCT(Tree, (), (branches))

inline Tree make_tree(int depth) {
  Tree tree;
  for (int i = 0; i < depth; ++i) {
    Tree above;
    above.branches.push_back(std::move(tree));
    tree = std::move(above);
  }
  return tree;
}

/// Stores, takes and returns trees.
class Forest : public Entity {
  Tree tree_;

 public:
  Task<void> plant(std::int64_t depth) {
    tree_ = make_tree(static_cast<int>(depth));
    co_return;
  }
  Task<bool> is_bare() const { co_return tree_.branches.empty(); }
  Task<Tree> give(std::int64_t depth) const { co_return make_tree(static_cast<int>(depth)); }
  Task<void> take(Tree tree) const {
    static_cast<void>(tree);
    co_return;
  }
  EPIC_ENTITY(Forest, state(tree_), methods(plant, is_bare, give, take))
};

/// Its state can grow to any size, and its activation can fail.
class Blob : public Entity {
  std::string bytes_;
  bool is_started_ = false;

 public:
  Task<void> on_activate() override {
    if (key() == "broken") throw std::runtime_error("this one never starts");
    is_started_ = true;
    co_return;
  }
  Task<std::uint64_t> grow(std::uint64_t size) {
    bytes_.resize(size, 'x');
    co_return bytes_.size();
  }
  Task<std::uint64_t> size() const { co_return bytes_.size(); }
  Task<void> grow_beside(std::uint64_t size) const {
    spawn(self()->grow(size));
    co_return;
  }
  Task<bool> is_started() const { co_return is_started_; }
  EPIC_ENTITY(Blob, state(bytes_), methods(grow, size, grow_beside, is_started))
};

/// Reads another entity's change, and passes it on.
class Relay : public Entity {
 public:
  Task<std::int64_t> tell(Ref<Counter> counter) { co_return co_await counter->get(); }
  Task<std::int64_t> add_beside(Ref<Counter> counter, std::int64_t amount) const {
    auto added = spawn(counter->add(amount));
    co_await sleep(std::chrono::milliseconds(10));
    co_return co_await added;
  }
  Task<bool> see_end_of_add(Ref<Counter> counter, std::int64_t amount) const {
    const auto added = spawn(counter->add(amount));
    co_await sleep(std::chrono::milliseconds(10));
    co_return added.is_ended();
  }
  Task<std::uint64_t> feed(Ref<Blob> blob, std::uint64_t size) { co_return co_await blob->grow(size); }
  Task<std::uint64_t> feed_and_sleep(Ref<Blob> blob, std::uint64_t size) {
    const std::uint64_t fed = co_await blob->grow(size);
    co_await epic::sleep(std::chrono::milliseconds(50));
    co_return fed;
  }
  Task<std::string> feed_and_save(Ref<Blob> blob, std::uint64_t size) {
    co_await blob->grow(size);
    try {
      co_await saved();
    } catch (const StateTooLarge& error) {
      co_return error.what();
    }
    co_return "saved";
  }
  EPIC_ENTITY(Relay, methods(tell, feed, feed_and_sleep, feed_and_save, add_beside, see_end_of_add), transient)
};

/// Records the order in which calls start.
class Journal : public Entity {
 public:
  static inline std::vector<std::int64_t> lines;
  Task<void> note(std::int64_t line) const {
    lines.push_back(line);
    co_return;
  }
  EPIC_ENTITY(Journal, methods(note), transient)
};

/// Makes calls from a non-const and from a const method; neither changes its state.
class Journalist : public Entity {
  std::int64_t count_ = 0;

 public:
  Task<void> write(Ref<Journal> journal, std::int64_t line) { co_await journal->note(line); }
  Task<void> dictate(Ref<Journal> journal, std::int64_t line) const { co_await journal->note(line); }
  EPIC_ENTITY(Journalist, state(count_), methods(write, dictate))
};

/// Its const methods share the lock.
class Gallery : public Entity {
 public:
  Task<void> look() const { co_await sleep(std::chrono::milliseconds(50)); }
  Task<void> hang() { co_return; }
  /// Makes two const calls at once.
  Task<void> hang_and_look() { co_await gather(self()->look(), self()->look()); }
  EPIC_ENTITY(Gallery, methods(look, hang, hang_and_look), exclusive, transient)
};

/// Saved at intervals, and changed in ways that have no caller.
class Draft : public Entity {
  std::string bytes_;
  std::string at_the_end_;

 public:
  Task<void> on_deactivate() override {
    bytes_ += at_the_end_;
    co_return;
  }
  Task<std::uint64_t> grow(std::uint64_t size) {
    bytes_.resize(size, 'x');
    co_return bytes_.size();
  }
  Task<std::uint64_t> size() const { co_return bytes_.size(); }
  Task<void> grow_at_the_end(std::uint64_t size) {
    at_the_end_.resize(size, 'x');
    co_return;
  }
  Task<void> grow_and_save(std::uint64_t size) {
    bytes_.resize(size, 'x');
    co_await saved();
  }
  EPIC_ENTITY(Draft, state(bytes_), methods(grow, size, grow_at_the_end, grow_and_save), interval(1s))
};

inline const ModuleInfo& module() {
  static const EntityInfoFn entities[] = {
      &Counter::epic_info, &Account::epic_info, &Caller::epic_info,  &Blob::epic_info,       &Relay::epic_info,
      &Forest::epic_info,  &Gallery::epic_info, &Journal::epic_info, &Journalist::epic_info, &Draft::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

}  // namespace epic::testing_entities
