#include "cluster/sim/sim_host.hpp"

#include <signal.h>
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "kernel/assert.hpp"
#include "protocol/log_line.hpp"

namespace epic::cluster::sim {

namespace {

using namespace std::chrono_literals;

constexpr nanoseconds kChannelDelayMax = 1ms;
constexpr nanoseconds kDeathDelayMax = 5ms;  // from the end of a process until the supervisor has read its output

std::uint64_t hash_of(const std::vector<std::byte>& bytes) { return XXH64(bytes.data(), bytes.size(), 0); }

/// What Fleet owns.
class ChildProcess final : public NodeProcess {
 public:
  explicit ChildProcess(std::shared_ptr<SimHost::Child> child) : child_(std::move(child)) {}
  ~ChildProcess() override { child_->abandon(); }

  pid_t pid() const override { return child_->pid(); }
  bool try_send(const protocol::ToNode& message) override { return child_->try_send(message); }
  bool try_share(const SharedMessage& message) override {
    const std::span<const std::byte> frame = message.frame();
    return child_->try_send(std::vector<std::byte>(frame.begin(), frame.end()));
  }
  bool try_signal(int number) override { return child_->try_signal(number); }
  void kill() override { child_->die({.exit_code = 0, .signal = SIGKILL}); }
  std::expected<std::string, std::string> crash_memory() const override { return std::string(); }
  std::optional<Crash> read_crash() const override { return std::nullopt; }

 private:
  std::shared_ptr<SimHost::Child> child_;
};

}  // namespace

// ---- SimHost ----

SimHost::SimHost(const NodeSurroundings& surroundings, std::int64_t drift_ppm_max)
    : Process(surroundings.world), surroundings_(surroundings), drift_ppm_max_(drift_ppm_max) {}

SimHost::~SimHost() = default;

std::chrono::system_clock::time_point SimHost::wall_now() const {
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(nanoseconds(clock().wall_ns())));
}

void SimHost::post(Task task) { after(nanoseconds(0), fingerprint_of("posted"), std::move(task)); }

void SimHost::run_beside(Task work, Task then) {
  jobs_.push_back({std::move(work), std::move(then)});
  if (jobs_.size() == 1) run_job();
}

void SimHost::run_job() {
  after(surroundings_.disk.draw_write_delay(), fingerprint_of("beside"), [this] {
    jobs_.front().work();
    Task then = std::move(jobs_.front().then);
    jobs_.pop_front();
    if (!jobs_.empty()) run_job();
    post(std::move(then));
  });
}

TimerId SimHost::start_timer(nanoseconds delay, Task task) {
  const TimerId timer{++last_timer_};
  timers_.emplace(timer, std::move(task));
  const nanoseconds left = clock().until(clock().monotonic_ns() + std::max<nanoseconds>(delay, 0ns).count());
  after(left, fingerprint_of("timer", timer.value), [this, timer] {
    auto expired = timers_.extract(timer);
    if (!expired.empty()) expired.mapped()();
  });
  return timer;
}

std::expected<std::unique_ptr<NodeProcess>, SupervisorError> SimHost::spawn(const NodeProcess::Program& program,
                                                                            NodeProcess::Events events) {
  auto child = std::make_shared<Child>(*this, std::move(events));
  const std::int64_t drift_ppm =
      drift_ppm_max_ == 0 ? 0 : static_cast<std::int64_t>(world().draw(2 * drift_ppm_max_ + 1)) - drift_ppm_max_;
  child->start(drift_ppm);
  auto& children = children_[program.arguments.front()];
  std::erase_if(children, [](const auto& one) { return one.expired(); });
  children.push_back(child);
  auto process = std::make_unique<ChildProcess>(std::move(child));
  return leased_ == nullptr ? std::move(process) : leased_->adopt(std::move(process));
}

SimHost::Child* SimHost::find_child(const std::string& name) {
  const auto found = children_.find(name);
  if (found == children_.end()) return nullptr;
  for (const auto& one : found->second)
    if (const std::shared_ptr<Child> child = one.lock(); child != nullptr && child->node() != nullptr)
      return child.get();
  return nullptr;
}

std::vector<SimNode*> SimHost::list_nodes() const {
  std::vector<SimNode*> nodes;
  for (const auto& [name, children] : children_)
    for (const auto& one : children)
      if (const std::shared_ptr<Child> child = one.lock(); child != nullptr && child->node() != nullptr)
        nodes.push_back(child->node());
  return nodes;
}

// ---- Child ----

void SimHost::Child::start(std::int64_t drift_ppm) {
  node_ = std::make_unique<SimNode>(
      host_.surroundings_, drift_ppm,
      SimNode::Events{.on_said = [this](std::vector<std::byte> bytes) { on_said(std::move(bytes)); },
                      .on_log = [this](kernel::LogLevel level, std::string_view entity,
                                       std::string_view message) { on_log(level, entity, message); },
                      .on_end = [this](ProcessEnd end) { die(end); }});
  node_->clock().set_machine(host_.machine_);
  pid_ = static_cast<pid_t>(node_->process_id());
}

bool SimHost::Child::try_send(const protocol::ToNode& message) {
  if (node_ == nullptr) return true;  // its end is about to be seen
  std::vector<std::byte> bytes;
  writer_.append(message, bytes);
  return try_send(std::move(bytes));
}

bool SimHost::Child::try_send(std::vector<std::byte> bytes) {
  if (node_ == nullptr) return true;
  World& world = host_.world();
  last_told_ns_ = std::max(last_told_ns_, world.now_ns() + world.draw_delay(kChannelDelayMax).count());
  world.after(nanoseconds(last_told_ns_ - world.now_ns()), node_->process_id(), fingerprint_of("told", hash_of(bytes)),
              [child = shared_from_this(), bytes = std::move(bytes)]() mutable {
                if (child->node_ != nullptr) child->node_->hear(std::move(bytes));
              });
  return true;
}

bool SimHost::Child::try_signal(int number) {
  if (node_ == nullptr) return false;
  if (number == SIGSTOP)
    node_->pause();
  else if (number == SIGCONT)
    node_->go_on();
  else
    die({.exit_code = 0, .signal = number});
  return true;
}

void SimHost::Child::die(ProcessEnd end) {
  if (node_ == nullptr) return;
  if (is_abandoned_) return node_->world().bury(std::move(node_));
  host_.world().bury(std::move(node_));
  last_heard_ns_ = std::max(last_heard_ns_, host_.world().now_ns() + host_.world().draw_delay(kDeathDelayMax).count());
  later(fingerprint_of("end", static_cast<std::uint64_t>(end.exit_code), static_cast<std::uint64_t>(end.signal)),
        [this, end] { events_.on_end(end); });
}

void SimHost::Child::abandon() {
  is_abandoned_ = true;
  if (node_ == nullptr) return;
  World& world = host_.world();
  const auto [min, max] = host_.survival_;
  if (max.count() == 0) return world.bury(std::move(node_));
  const nanoseconds left(static_cast<std::int64_t>(world.draw(static_cast<std::uint64_t>((max - min).count()) + 1)));
  world.after(min + left, 0, fingerprint_of("orphan"), [child = shared_from_this(), &world] {
    if (child->node_ != nullptr) world.bury(std::move(child->node_));
  });
}

void SimHost::Child::on_said(std::vector<std::byte> bytes) {
  if (is_abandoned_) return;
  const std::uint64_t fingerprint = fingerprint_of("said", hash_of(bytes));
  later(fingerprint, [this, bytes = std::move(bytes)] { read(bytes); });
}

void SimHost::Child::read(const std::vector<std::byte>& bytes) {
  const auto room = incoming_.prepare(bytes.size());
  std::ranges::copy(bytes, room.begin());
  incoming_.commit(bytes.size());
  while (!is_abandoned_) {
    const auto frame = incoming_.next();
    EPIC_ASSERT(frame.has_value(), "a node sent garbage: {}", frame.error().what);
    if (!*frame) return;
    const auto message = reader_.read(**frame);
    EPIC_ASSERT(message.has_value(), "a node sent a bad message: {}", message.error().what);
    events_.on_message(*message);
  }
}

void SimHost::Child::on_log(kernel::LogLevel level, std::string_view entity, std::string_view message) {
  if (is_abandoned_) return;
  std::string text = protocol::format_log_line({.time = host_.wall_now(),
                                                .source = {},
                                                .level = static_cast<protocol::LogLevel>(level),
                                                .entity = std::string(entity),
                                                .message = std::string(message)});
  later(fingerprint_of(text), [this, text = std::move(text)] {
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      events_.on_log(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  });
}

/// In the supervisor, after what it has not heard yet.
void SimHost::Child::later(std::uint64_t fingerprint, std::move_only_function<void()> event) {
  World& world = host_.world();
  last_heard_ns_ = std::max(last_heard_ns_, world.now_ns() + world.draw_delay(kChannelDelayMax).count());
  world.after(nanoseconds(last_heard_ns_ - world.now_ns()), host_.process_id(), fingerprint,
              [child = shared_from_this(), event = std::move(event)]() mutable {
                if (!child->is_abandoned_) event();
              });
}

}  // namespace epic::cluster::sim
