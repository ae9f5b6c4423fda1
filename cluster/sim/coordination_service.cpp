#include "cluster/sim/coordination_service.hpp"

#include <algorithm>
#include <utility>

namespace epic::cluster::sim {

namespace {

using namespace std::chrono_literals;

constexpr nanoseconds kDelayMax = 4ms;  // of a request, and of an answer
constexpr nanoseconds kGivenUpAfter = 500ms;
constexpr std::uint32_t kArrivesPercent = 50;  // at a service that does not answer

}  // namespace

/// Shared by what is on its way. Everything arrives in order.
struct CoordinationService::Line {
  Line(CoordinationService& the_service, ProcessId the_process) : service(the_service), process(the_process) {}

  static void request(const std::shared_ptr<Line>& line, std::move_only_function<void()> event) {
    World& world = line->service.world_;
    line->asked_ns = std::max(line->asked_ns, world.now_ns() + world.draw_delay(kDelayMax).count());
    world.after(nanoseconds(line->asked_ns - world.now_ns()), 0, fingerprint_of("asked"), std::move(event));
  }
  static void answer(const std::shared_ptr<Line>& line, nanoseconds delay_min, nanoseconds delay_max,
                     std::move_only_function<void()> event) {
    World& world = line->service.world_;
    const nanoseconds delay = delay_min + world.draw_delay(delay_max);
    line->answered_ns = std::max(line->answered_ns, world.now_ns() + delay.count());
    world.after(nanoseconds(line->answered_ns - world.now_ns()), line->process, fingerprint_of("answered"),
                [line, event = std::move(event)]() mutable {
                  if (line->is_open) event();
                });
  }

  /// What its watcher has not been told yet. After a gap it hears only how things are now.
  static void show(const std::shared_ptr<Line>& line, std::size_t place) {
    Watch& watch = line->watches[place];
    const auto tell = [&](std::string key, std::optional<std::string> value) {
      answer(line, 0ns, kDelayMax,
             [watcher = watch.watcher, change = CoordinationChange{std::move(key), std::move(value)}] {
               watcher(change);
             });
    };
    for (const auto& [key, value] : watch.shown)
      if (!watch.values.contains(key)) tell(key, std::nullopt);
    for (const auto& [key, value] : watch.values)
      if (const auto shown = watch.shown.find(key); shown == watch.shown.end() || shown->second != value)
        tell(key, value);
    watch.shown = watch.values;
  }
  [[nodiscard]] bool is_away() const { return service.is_away_ || service.unreachable_from_.contains(process); }

  struct Watch {
    Coordination::Watcher watcher;
    std::map<std::string, std::string> values = {};
    std::map<std::string, std::string> shown = {};
  };

  CoordinationService& service;
  ProcessId process;
  bool is_open = true;
  std::int64_t asked_ns = 0;
  std::int64_t answered_ns = 0;
  std::vector<Watch> watches;
};

class CoordinationService::Session final : public Coordination {
 public:
  Session(CoordinationService& service, Process& process)
      : line_(std::make_shared<Line>(service, process.process_id())) {}
  ~Session() override { line_->is_open = false; }
  [[nodiscard]] std::weak_ptr<Line> line() const { return line_; }

  void open_lease(nanoseconds timeout, Done<LeaseId> done) override {
    ask<LeaseId>([timeout](CoordinationService& service,
                           Done<LeaseId> answer) { service.open_lease(timeout, std::move(answer)); },
                 std::move(done));
  }
  void renew(LeaseId lease, Done<bool> done) override {
    ask<bool>([lease](CoordinationService& service, Done<bool> answer) { service.renew(lease, std::move(answer)); },
              std::move(done));
  }
  void revoke(LeaseId lease, Done<void> done) override {
    ask<void>(
        [lease](CoordinationService& service, Done<void> answer) { service.held_.revoke(lease, std::move(answer)); },
        std::move(done));
  }
  void put_if_absent(std::string_view key, std::string_view value, LeaseId lease, Done<bool> done) override {
    ask<bool>(
        [key = std::string(key), value = std::string(value), lease](CoordinationService& service, Done<bool> answer) {
          service.held_.put_if_absent(key, value, lease, std::move(answer));
        },
        std::move(done));
  }
  void watch(std::string_view prefix, Watcher watcher) override {
    Line::request(line_, [line = line_, prefix = std::string(prefix), watcher = std::move(watcher)] {
      const std::size_t place = line->watches.size();
      line->watches.push_back({.watcher = watcher});
      line->service.held_.watch(prefix, [line, place](const CoordinationChange& change) {
        Line::Watch& watch = line->watches[place];
        if (change.value)
          watch.values[change.key] = *change.value;
        else
          watch.values.erase(change.key);
        if (!line->is_away()) Line::show(line, place);
      });
    });
  }

 private:
  template <class Result, class Operation>
  void ask(Operation operation, Done<Result> done) {
    Line::request(line_, [line = line_, operation = std::move(operation), done = std::move(done)]() mutable {
      CoordinationService& service = line->service;
      if (!line->is_away())
        return operation(
            service, [line, done = std::move(done)](std::expected<Result, CoordinationError> result) mutable {
              Line::answer(line, line->service.draw_slowness(), kDelayMax,
                           [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
            });
      if (service.world_.chance(kArrivesPercent)) operation(service, [](const auto&) {});
      Line::answer(line, kGivenUpAfter, kDelayMax, [done = std::move(done)]() mutable {
        done(std::unexpected(CoordinationError{"the service does not answer"}));
      });
    });
  }

  std::shared_ptr<Line> line_;
};

CoordinationService::CoordinationService(World& world)
    : world_(world),
      held_([&world] { return std::chrono::steady_clock::time_point(world.now()); },
            [&world](std::move_only_function<void()> work) {
              world.after(0ns, 0, fingerprint_of("service"), std::move(work));
            }) {}

std::unique_ptr<Coordination> CoordinationService::connect(Process& process) {
  auto session = std::make_unique<Session>(*this, process);
  std::erase_if(lines_, [](const auto& line) { return line.expired(); });
  lines_.push_back(session->line());
  return session;
}

void CoordinationService::set_away(bool is_away) {
  is_away_ = is_away;
  show_all();
}

void CoordinationService::set_unreachable(ProcessId from, bool is_unreachable) {
  if (is_unreachable)
    unreachable_from_.insert(from);
  else
    unreachable_from_.erase(from);
  show_all();
}

void CoordinationService::show_all() {
  for (const auto& one : lines_)
    if (const auto line = one.lock(); line != nullptr && line->is_open && !line->is_away())
      for (std::size_t place = 0; place < line->watches.size(); ++place) Line::show(line, place);
}

nanoseconds CoordinationService::draw_slowness() {
  if (answer_delay_max_ == 0ns) return 0ns;
  return nanoseconds(static_cast<std::int64_t>(world_.draw(static_cast<std::uint64_t>(answer_delay_max_.count()))));
}

void CoordinationService::open_lease(nanoseconds timeout, Coordination::Done<LeaseId> answer) {
  held_.open_lease(timeout, [this, timeout, answer = std::move(answer)](auto opened) mutable {
    timeouts_[*opened] = timeout;
    answer(std::move(opened));
  });
  end_after(timeout);
}

void CoordinationService::renew(LeaseId lease, Coordination::Done<bool> answer) {
  held_.renew(lease, std::move(answer));
  end_after(timeouts_.at(lease));
}

/// A lease that is renewed now, unless it is renewed again.
void CoordinationService::end_after(nanoseconds timeout) {
  world_.after(timeout + 1ns, 0, fingerprint_of("lease"), [this] {
    for (const LeaseId ended : held_.list_overdue()) held_.revoke(ended, [](const auto&) {});
  });
}

}  // namespace epic::cluster::sim
