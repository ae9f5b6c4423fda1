#pragma once
// Gong: sets reminders, and counts in its state what becomes of each of them; gong_witness.hpp judges the sums.
//
// What a reminder is to do is in the state from the turn that sets it until the turn that it calls, so each turn sees
// by itself whether it comes once, and not too early. Some of its methods hold a lock across two turns, which makes
// due times wait.

#include <algorithm>
#include <boost/describe/class.hpp>
#include <chrono>
#include <cstdint>
#include <epic/epic.hpp>
#include <map>
#include <stdexcept>
#include <string>

namespace epic::test {

inline constexpr std::chrono::milliseconds kGongEvery{400};
inline constexpr std::chrono::milliseconds kTollLasts{30};

struct GongBooks {
  std::int64_t set = 0;        // reminders with a number
  std::int64_t waiting = 0;    // of them: to come
  std::int64_t rung = 0;       // … have come
  std::int64_t dropped = 0;    // … were forgotten before
  std::int64_t begun = 0;      // of those that have come, the ones whose method goes on after its first turn
  std::int64_t finished = 0;   // … and has got to its end
  std::int64_t refused = 0;    // calls of refuse() that were set or sent
  std::int64_t ticks = 0;      // due times of the one that recurs, with those that it missed
  std::int64_t strays = 0;     // came although they had come before, or were forgotten
  std::int64_t early = 0;      // came before their time
  std::int64_t uncounted = 0;  // ticks that did not stand for all due times that were over
  std::int64_t newest = 0;     // the highest number of those that have come …
  std::int64_t late_ns = 0;    // … and how late it was
};
BOOST_DESCRIBE_STRUCT(GongBooks, (),
                      (set, waiting, rung, dropped, begun, finished, refused, ticks, strays, early, uncounted, newest,
                       late_ns))

/// When a reminder is to come, and when that was set.
struct GongCall {
  std::int64_t due_ns = 0;
  std::int64_t set_ns = 0;
};
BOOST_DESCRIBE_STRUCT(GongCall, (), (due_ns, set_ns))

class Gong : public epic::Entity {
  GongBooks books_;
  std::map<std::int64_t, GongCall> waiting_;  // by number
  std::int64_t first_set_ns_ = 0;             // of the one that recurs; 0: there is none
  std::int64_t first_due_ns_ = 0;
  bool has_brief_ = false;

  static std::int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(epic::now().time_since_epoch()).count();
  }
  static std::chrono::system_clock::time_point point(std::int64_t ns) {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(ns)));
  }
  static std::string name_of(std::int64_t number) { return "once " + std::to_string(number); }

  void remind_again_and_again() { epic::remind("tick", point(first_set_ns_), kGongEvery, &Gong::tick); }
  bool come(std::int64_t number) {
    const auto at = waiting_.find(number);
    if (at == waiting_.end()) {
      ++books_.strays;
      return false;
    }
    const auto [due_ns, set_ns] = at->second;
    if (now_ns() < due_ns) ++books_.early;
    if (number > books_.newest) {
      books_.newest = number;
      books_.late_ns = now_ns() - std::max(due_ns, set_ns);
    }
    waiting_.erase(at);
    ++books_.rung;
    return true;
  }

 public:
  epic::Task<void> on_activate() override {
    if (first_set_ns_ != 0) remind_again_and_again();  // an equal one, which changes nothing
    co_return;
  }

  // ---- set by others; times are absolute
  epic::Task<bool> set(std::int64_t number, std::int64_t due_ns) {
    ++books_.set;
    waiting_[number] = {due_ns, now_ns()};
    epic::remind(name_of(number), point(due_ns), &Gong::ring, number);
    co_return true;
  }
  epic::Task<bool> set_long(std::int64_t number, std::int64_t due_ns) {
    ++books_.set;
    waiting_[number] = {due_ns, now_ns()};
    epic::remind(name_of(number), point(due_ns), &Gong::toll, number);
    co_return true;
  }
  epic::Task<bool> move(std::int64_t number, std::int64_t due_ns) {
    const auto at = waiting_.find(number);
    if (at == waiting_.end()) co_return false;
    at->second = {due_ns, now_ns()};
    epic::remind(name_of(number), point(due_ns), &Gong::ring, number);
    co_return true;
  }
  epic::Task<bool> drop(std::int64_t number) {
    const bool was_waiting = waiting_.erase(number) > 0;
    books_.dropped += was_waiting ? 1 : 0;
    epic::forget(name_of(number));
    co_return was_waiting;
  }
  /// Sets a reminder, and forgets it when it is due, or in the same turn.
  epic::Task<bool> set_and_drop(std::int64_t after_ms) {
    const std::chrono::milliseconds after(after_ms);
    has_brief_ = true;
    epic::remind("brief", after, &Gong::ring_briefly);
    if (after_ms > 0) co_await epic::sleep(after);
    has_brief_ = false;
    epic::forget("brief");
    co_return true;
  }
  epic::Task<bool> set_refusal(std::int64_t due_ns) {
    epic::remind("refusal " + std::to_string(++books_.refused), point(due_ns), &Gong::refuse);
    co_return true;
  }
  /// The same by mail.
  epic::Task<bool> send_refusal(epic::Ref<Gong> to) {
    ++books_.refused;
    epic::deliver(to->refuse());
    co_return true;
  }
  epic::Task<bool> start(std::int64_t first_ns) {
    if (first_set_ns_ != 0) co_return false;
    first_set_ns_ = first_due_ns_ = first_ns;
    while (first_due_ns_ < now_ns()) first_due_ns_ += std::chrono::nanoseconds(kGongEvery).count();
    remind_again_and_again();
    co_return true;
  }
  epic::Task<bool> stop() {
    first_set_ns_ = 0;
    has_brief_ = false;
    epic::forget("tick");
    epic::forget("brief");
    co_return true;
  }
  epic::Task<GongBooks> get_books() const {
    GongBooks books = books_;
    books.waiting = static_cast<std::int64_t>(waiting_.size());
    co_return books;
  }

  // ---- called by reminders
  epic::Task<void> ring(std::int64_t number) {
    come(number);
    co_return;
  }
  epic::Task<void> toll(std::int64_t number) {
    if (!come(number)) co_return;
    ++books_.begun;
    co_await epic::sleep(kTollLasts);
    ++books_.finished;
  }
  epic::Task<void> ring_briefly() {
    if (!has_brief_) ++books_.strays;
    has_brief_ = false;
    co_return;
  }
  epic::Task<void> refuse() {
    throw std::runtime_error("the gong is cracked");
    co_return;
  }
  epic::Task<void> tick() {
    if (first_set_ns_ == 0) ++books_.strays;
    const std::int64_t every_ns = std::chrono::nanoseconds(kGongEvery).count();
    books_.ticks += 1 + static_cast<std::int64_t>(epic::missed());
    const std::int64_t newest_ns = first_due_ns_ + (books_.ticks - 1) * every_ns;
    if (newest_ns > now_ns()) ++books_.early;
    if (newest_ns <= now_ns() - every_ns) ++books_.uncounted;
    co_return;
  }

  EPIC_ENTITY(Gong, state(books_, waiting_, first_set_ns_, first_due_ns_, has_brief_),
              methods(set, set_long, move, drop, set_and_drop, set_refusal, send_refusal, start, stop, get_books,
                      ring_briefly, refuse, tick),
              exclusive(ring, toll))
};

}  // namespace epic::test
