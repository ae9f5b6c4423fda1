#pragma once
// The entities that the tests of Script run.

#include <epic/epic.hpp>

#include <cstdint>
#include <expected>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scripted {

using epic::Ref;
using epic::Task;

class Barrel : public epic::Entity {
 public:
  Task<bool> on_hit(std::string by, std::int64_t force) { co_return !by.empty() && force > 0; }
  Task<void> roll() { co_return; }
  Task<std::expected<void, std::string>> fill(std::int64_t litres) const {
    if (litres > 40) co_return std::unexpected("too small");
    co_return {};
  }
  Task<std::pair<std::int64_t, std::string>> measure() const { co_return {40, "litres"}; }
  EPIC_ENTITY(Barrel, methods(on_hit, roll, fill, measure))
};

/// Of a local class: outside of scripts it runs on the node of its caller.
class Painter : public epic::Entity {
  std::int64_t tins_ = 0;

 public:
  Task<std::string> paint(Ref<Barrel> barrel) {
    if (co_await barrel->on_hit(std::string(key()), 1)) ++tins_;
    co_return std::to_string(tins_) + " tins";
  }
  EPIC_ENTITY(Painter, methods(paint), local(4))
};

class Player : public epic::Entity {
  std::int64_t score = 0;
  std::string last;

 public:
  Task<std::int64_t> shoot(Ref<Barrel> barrel) {
    if (co_await barrel->on_hit(std::string(key()), 3)) ++score;
    epic::log::info("score {}", score);
    co_return score;
  }
  Task<std::int64_t> shoot_all(std::vector<Ref<Barrel>> barrels) {
    std::vector<epic::Call<bool>> shots;
    for (const auto& barrel : barrels) shots.push_back(barrel->on_hit(std::string(key()), 1));
    for (const bool has_fallen : co_await epic::gather(std::move(shots))) score += has_fallen ? 1 : 0;
    co_return score;
  }
  Task<std::string> roll_all(std::vector<Ref<Barrel>> barrels) {
    const epic::BroadcastResult result = co_await epic::broadcast(barrels, &Barrel::roll);
    if (result.failed > 0) last = result.failures[0].entity + ": " + result.failures[0].what;
    co_return std::to_string(result.succeeded) + " rolled";
  }
  Task<void> kick(Ref<Barrel> barrel) {
    try {
      co_await barrel->roll();
      last = "rolled";
    } catch (const std::out_of_range& error) {
      last = error.what();
    } catch (const epic::NodeLost&) {
      last = "lost";
    }
  }
  Task<void> cheer(Ref<Player> friend_of_mine) { co_await friend_of_mine->nap(); }
  Task<void> nap() {
    co_await epic::sleep(std::chrono::seconds(1));
    co_await epic::sleep(std::chrono::milliseconds(20));
  }
  Task<std::string> read(std::string path) {
    try {
      last = co_await epic::blocking([path] { return "the text of " + path; });
    } catch (const std::runtime_error& error) {
      last = error.what();
    }
    co_await epic::blocking_pure([] {});
    co_return last;
  }
  Task<std::int64_t> look_up(Ref<Barrel> barrel) {
    const auto [number, unit] = co_await barrel.cached(std::chrono::seconds(1))->measure();
    last = unit;
    co_return number;
  }
  Task<std::string> have_painted(Ref<Barrel> barrel) const { co_return co_await Ref<Painter>("red")->paint(barrel); }
  Task<std::int64_t> count_players(std::string prefix) const {
    std::int64_t count = 0;
    epic::ListPage page;
    do {
      page = co_await epic::list<Player>(prefix, {.after = page.next, .limit = 10});
      count += static_cast<std::int64_t>(page.keys.size());
    } while (!page.next.empty());
    co_return count;
  }
  Task<std::string> keep_diary(std::string page) {
    std::string former;
    try {
      former = co_await epic::read_file("diary");
    } catch (const std::filesystem::filesystem_error& error) {
      former = error.code().message() + "\n";
    }
    co_await epic::write_file("diary", former + page);
    co_await epic::append_file("log", page);
    co_return co_await epic::remove_file("draft") ? former : "no draft";
  }
  Task<std::int64_t> count_lines(std::string path) {
    epic::File log = co_await epic::open("log", epic::FileMode::append);
    epic::File file = co_await epic::open(path, epic::FileMode::read);
    std::int64_t count = 0;
    while (const auto line = co_await file.read_line())
      if (!line->empty()) ++count;
    try {
      co_await log.write(std::to_string(count) + "\n");
      co_await log.sync();
    } catch (const std::filesystem::filesystem_error& error) {
      last = error.code().message();
    }
    co_return count;
  }
  Task<void> read_for_a_while() {
    auto reading = epic::spawn(epic::blocking([] { return 1; }));
    co_await epic::sleep(std::chrono::seconds(1));
    reading.cancel();
  }
  Task<void> fall() const {
    throw std::range_error("down");
    co_return;
  }
  EPIC_ENTITY(Player, state(score, last),
              methods(count_players, look_up, have_painted, shoot, shoot_all, roll_all, cheer, nap, read, keep_diary,
                      count_lines, read_for_a_while, fall),
              exclusive(kick))
};

/// Ticks, waits for its own calls, and cancels.
class Referee : public epic::Entity {
  std::int64_t seconds = 0;
  std::int64_t warnings = 0;
  epic::Event whistle;

 public:
  Task<> on_activate() override {
    epic::every(std::chrono::seconds(1), &Referee::count);
    epic::after(std::chrono::milliseconds(2500), &Referee::warn, 2);
    co_return;
  }
  Task<> count() {
    if (++seconds == 5) whistle.set();
    co_return;
  }
  Task<> warn(std::int64_t times) {
    warnings += times;
    co_return;
  }
  Task<std::int64_t> watch() {
    co_await whistle.wait();
    co_return seconds;
  }
  Task<std::string> roll_at_most(std::chrono::milliseconds limit, Ref<Barrel> barrel) {
    auto rolled = epic::spawn(barrel->roll());
    co_await epic::sleep(limit);
    rolled.cancel();
    try {
      co_await rolled;
    } catch (const epic::Cancelled&) {
      co_return "too slow";
    }
    co_return "in time";
  }
  EPIC_ENTITY(Referee, state(seconds, warnings), methods(count, warn, watch, roll_at_most))
};

/// Has reminders.
class Innkeeper : public epic::Entity {
  std::int64_t closed = 0;
  std::int64_t missed = 0;

 public:
  Task<> on_activate() override {
    epic::remind("dust", std::chrono::hours(24), std::chrono::hours(24), &Innkeeper::dust, Ref<Barrel>(3));
    co_return;
  }
  Task<> open(std::string song) {
    epic::remind("last orders", std::chrono::hours(2), &Innkeeper::close, std::move(song));
    co_return;
  }
  Task<> stay_open() {
    epic::forget("last orders");
    co_return;
  }
  Task<> close(std::string song) {
    ++closed;
    epic::log::info("singing {}", song);
    co_return;
  }
  Task<> dust(Ref<Barrel> barrel) {
    missed += static_cast<std::int64_t>(epic::missed());
    co_await barrel->roll();
  }
  EPIC_ENTITY(Innkeeper, state(closed, missed), methods(open, stay_open, close, dust))
};

/// Keeps a till for others, and waits for what its own calls bring.
class Waiter : public epic::Entity {
  std::int64_t tips = 0;
  std::string woken;
  epic::Promise<std::string> order;

 public:
  Task<> on_activate() override {
    woken = epic::activation_cause() == epic::ActivationCause::first ? "first" : "again";
    co_return;
  }
  Task<std::string> wait_for_order() { co_return co_await order; }
  Task<> take_order(std::string dish) {
    if (dish.empty())
      order.set_exception(std::make_exception_ptr(std::out_of_range("the kitchen is closed")));
    else
      order.set_value(std::move(dish));
    co_return;
  }
  Task<> share(Ref<Waiter> other, std::int64_t cents) {
    tips -= cents;
    epic::deliver(other->add_tip(cents));
    co_return;
  }
  Task<> add_tip(std::int64_t cents) {
    tips += cents;
    co_return;
  }
  Task<std::int64_t> serve() {
    std::int64_t served = 0;
    for (; !epic::stopping(); ++served) co_await epic::sleep(std::chrono::minutes(1));
    co_return served;
  }
  Task<std::string> stay() {
    co_await epic::stopping();
    co_return "good night";
  }
  EPIC_ENTITY(Waiter, state(tips, woken), methods(wait_for_order, take_order, share, add_tip, serve, stay))
};

inline const epic::ModuleInfo& the_module() {
  static const epic::EntityInfoFn entities[] = {&Barrel::epic_info,    &Player::epic_info, &Referee::epic_info,
                                                &Innkeeper::epic_info, &Waiter::epic_info, &Painter::epic_info};
  static const epic::ModuleInfo info{EPIC_ABI_TAG, entities, &epic::no_setup};
  return info;
}

}  // namespace scripted
