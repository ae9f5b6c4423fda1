#include "cluster/supervisor/machines.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "kernel/assert.hpp"

namespace epic::cluster {

using protocol::ProcessId;

namespace {

constexpr std::uint64_t kCountEvery = 64;  // messages
constexpr std::chrono::milliseconds kCountAfter{500};

bool is_counted(const protocol::FromMachine& message) {
  return !std::holds_alternative<protocol::Hello>(message) && !std::holds_alternative<protocol::Counted>(message);
}

/// A node that is not told something may be killed, but not without an order.
bool can_be_refused(const protocol::ToMachine& message) {
  const auto* const told = std::get_if<protocol::ToldNode>(&message);
  return told != nullptr && !std::holds_alternative<protocol::Configure>(told->message);
}

}  // namespace

/// A process on a machine. Its machine knows it, until it has ended.
class Machines::Process final : public NodeProcess {
 public:
  Process(Machines& machines, std::string machine, ProcessId id, Events process_events)
      : events(std::move(process_events)), machines_(machines), machine_(std::move(machine)), id_(id) {}
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() override {
    if (!is_ended_) machines_.forget(machine_, *this);
  }

  [[nodiscard]] pid_t pid() const override { return pid_; }
  [[nodiscard]] bool try_send(const protocol::ToNode& message) override {
    return is_ended_ || send(protocol::ToldNode{id_, message});
  }
  [[nodiscard]] bool try_signal(int number) override { return !is_ended_ && send(protocol::SignalNode{id_, number}); }
  void kill() override { static_cast<void>(try_signal(SIGKILL)); }
  [[nodiscard]] bool is_reachable() const override {
    const auto found = machines_.machines_.find(machine_);
    return is_ended_ || (found != machines_.machines_.end() && found->second.send);
  }
  /// The machine fills it in.
  [[nodiscard]] std::expected<std::string, std::string> crash_memory() const override { return std::string(); }
  [[nodiscard]] std::optional<Crash> read_crash() const override { return crash_; }
  [[nodiscard]] std::uint64_t count_lost_lines() const override { return lost_lines_; }

  [[nodiscard]] ProcessId id() const { return id_; }
  void set_pid(pid_t pid) { pid_ = pid; }
  /// May destroy it.
  void end(ProcessEnd how, std::optional<Crash> crash, std::uint64_t lost_lines) {
    is_ended_ = true;
    crash_ = std::move(crash);
    lost_lines_ = lost_lines;
    const auto on_end = events.on_end;
    on_end(std::move(how));
  }

  Events events;

 private:
  bool send(protocol::ToMachine message) {
    const auto found = machines_.machines_.find(machine_);
    return found != machines_.machines_.end() && machines_.try_send(found->second, std::move(message));
  }

  Machines& machines_;
  std::string machine_;
  ProcessId id_;
  pid_t pid_ = 0;
  bool is_ended_ = false;
  std::optional<Crash> crash_;
  std::uint64_t lost_lines_ = 0;
};

/// The answer to a request of a machine, which owns it for as long as somebody there waits for it.
class Machines::Reply final : public ControlReply::Sink {
 public:
  explicit Reply(Machine& machine, Machines& machines) : machine_(machine), machines_(machines) {}
  void send(const protocol::ControlAnswer& answer) override {
    machines_.try_send(machine_, protocol::MachineAnswered{answer});
    if (answer.last) machine_.replies.erase(answer.id);
  }
  [[nodiscard]] bool is_open() const override { return static_cast<bool>(machine_.send); }
  [[nodiscard]] bool has_room() const override { return machine_.kept.list().size() < kRoom; }

 private:
  static constexpr std::size_t kRoom = 256;  // messages
  Machine& machine_;
  Machines& machines_;
};

// ---- machines and their links ----

std::expected<Machines::LinkNumber, std::string> Machines::greet(const protocol::Hello& hello, Send send) {
  if (hello.leader != self_) return std::unexpected(fmt::format("This is {}, not {}.", self_, hello.leader));
  const auto found = machines_.find(hello.machine);
  if (found == machines_.end() || !found->second.has_key)
    return std::unexpected(fmt::format("{} is not in coordination.", hello.machine));
  Machine& machine = found->second;
  machine.link = last_link_ = last_link_.next();
  machine.send = std::move(send);
  machine.unlinked = {};
  if (machine.has_arrived) {
    welcome(machine, hello.received);
  } else {
    machine.hello = std::make_unique<protocol::Hello>(hello);
    if (is_open_) arrive(hello.machine, machine);
  }
  return machine.link;
}

void Machines::open(std::string fabric_id, Events events) {
  fabric_id_ = std::move(fabric_id);
  events_ = std::move(events);
  is_open_ = true;
  for (auto& [name, machine] : machines_)
    if (machine.hello) arrive(name, machine);
}

void Machines::arrive(const std::string& name, Machine& machine) {
  machine.has_arrived = true;
  const std::unique_ptr<protocol::Hello> hello = std::move(machine.hello);
  events_.on_arrived(*hello);
  if (const auto still = machines_.find(name); still != machines_.end()) welcome(still->second, 0);
}

void Machines::welcome(Machine& machine, std::uint64_t received) {
  if (!machine.send) return;
  machine.kept.on_counted(received);
  machine.send(protocol::Welcome{.fabric_id = fabric_id_, .received = machine.received, .speaks = protocol::kSpoken});
  machine.is_welcome = true;
  for (const protocol::ToMachine& message : machine.kept.list()) machine.send(message);
  if (received > 0) return;
  protocol::FabricNotes notes = notes_;
  notes.age = host_.now() - noted_at_;
  try_send(machine, std::move(notes));
}

void Machines::on_link_lost(const std::string& name, LinkNumber link) {
  const auto found = machines_.find(name);
  if (found == machines_.end() || found->second.link != link) return;
  found->second.send = nullptr;
  found->second.is_welcome = false;
}

void Machines::on_key_gone(const std::string& name) {
  const auto found = machines_.find(name);
  if (found == machines_.end()) return;
  Machine& machine = found->second;
  machine.has_key = false;
  machine.send = nullptr;
  machine.is_welcome = false;
  machine.replies.clear();
  if (machine.has_arrived) events_.on_gone(name);
  while (!machine.processes.empty()) {
    Process* const process = machine.processes.extract(machine.processes.begin()).mapped();
    process->end({.exit_code = 1, .signal = 0, .is_lost = true}, {}, 0);
  }
  machines_.erase(found);
}

void Machines::on_tick(std::chrono::nanoseconds passed) {
  for (auto& [name, machine] : machines_)
    if (!machine.send) machine.unlinked += passed;
}

std::vector<protocol::Unreached::Machine> Machines::list_unlinked(std::chrono::nanoseconds at_least) const {
  std::vector<protocol::Unreached::Machine> unlinked;
  for (const auto& [name, machine] : machines_)
    if (name != self_ && machine.unlinked >= at_least) unlinked.push_back({name, machine.unlinked});
  return unlinked;
}

bool Machines::is_complete() const {
  return std::ranges::all_of(machines_, [](const auto& one) { return one.second.hello || one.second.has_arrived; });
}

std::vector<protocol::Hello> Machines::list_greeted() const {
  std::vector<protocol::Hello> all;
  for (const auto& [name, machine] : machines_)
    if (machine.hello) all.push_back(*machine.hello);
  return all;
}

bool Machines::try_send(Machine& machine, protocol::ToMachine message) {
  if (is_abandoned_) return true;
  if (can_be_refused(message) && machine.kept.is_full()) return false;
  const protocol::ToMachine& kept = machine.kept.keep(std::move(message));
  if (machine.is_welcome) machine.send(kept);
  return true;
}

void Machines::tell_notes(protocol::FabricNotes notes) {
  notes_ = std::move(notes);
  noted_at_ = host_.now();
  for (auto& [name, machine] : machines_) try_send(machine, notes_);
}

void Machines::dismiss(const std::string& name, const protocol::Dismiss& message) {
  const auto found = machines_.find(name);
  if (found == machines_.end()) return;
  found->second.is_leaving = true;
  try_send(found->second, message);
}

void Machines::dismiss_all(const protocol::Dismiss& message) {
  for (auto& [name, machine] : machines_)
    if (name != self_) try_send(machine, message);
}

/// Nothing follows a Dismiss.
std::vector<std::string> Machines::list_undismissed() const {
  std::vector<std::string> undismissed;
  for (const auto& [name, machine] : machines_)
    if (name != self_ && (!machine.has_arrived || !machine.kept.list().empty())) undismissed.push_back(name);
  return undismissed;
}

// ---- processes ----

std::unique_ptr<NodeProcess> Machines::spawn(const std::string& name, std::vector<std::string> arguments,
                                             NodeProcess::Events events) {
  const auto found = machines_.find(name);
  EPIC_ASSERT(found != machines_.end(), "a node is started on {}, which has gone", name);
  const ProcessId id{host_.random_id()};
  auto process = std::make_unique<Process>(*this, name, id, std::move(events));
  found->second.processes.emplace(id, process.get());
  try_send(found->second, protocol::SpawnNode{id, std::move(arguments)});
  return process;
}

std::unique_ptr<NodeProcess> Machines::adopt(const std::string& name, const protocol::LiveNode& live,
                                             NodeProcess::Events events) {
  auto process = std::make_unique<Process>(*this, name, live.process, std::move(events));
  process->set_pid(live.pid);
  machines_.at(name).processes.emplace(live.process, process.get());
  return process;
}

void Machines::drop(const std::string& name, ProcessId process) {
  try_send(machines_.at(name), protocol::DropNode{process});
}

void Machines::forget(const std::string& name, const Process& process) {
  const auto found = machines_.find(name);
  if (found == machines_.end() || found->second.processes.erase(process.id()) == 0 || is_abandoned_) return;
  try_send(found->second, protocol::DropNode{process.id()});
}

// ---- what machines say ----

void Machines::on_message(const std::string& name, LinkNumber link, const protocol::FromMachine& message) {
  const auto found = machines_.find(name);
  if (found == machines_.end() || found->second.link != link || is_abandoned_) return;
  Machine& machine = found->second;
  if (is_counted(message) && ++machine.received - machine.confirmed >= kCountEvery) confirm(machine);
  if (is_counted(message)) confirm_later();
  if (const auto* counted = std::get_if<protocol::Counted>(&message)) {
    machine.kept.on_counted(counted->messages);
    return events_.on_room();
  }
  if (const auto* gave_up = std::get_if<protocol::MachineGaveUp>(&message))
    return static_cast<void>(machine.replies.erase(gave_up->request));
  if (const auto* asked = std::get_if<protocol::MachineAsked>(&message)) {
    const std::uint64_t id = asked->request.id;
    const std::weak_ptr<Reply> reply = machine.replies[id] = std::make_shared<Reply>(machine, *this);
    return events_.on_request(asked->request, ControlReply(reply, id));
  }
  if (std::holds_alternative<protocol::MachineLeaves>(message)) {
    machine.is_leaving = true;
    return events_.on_leaves(name);
  }
  std::visit(
      [&](const auto& one) {
        if constexpr (requires { one.process; }) take_in(machine, one);
      },
      message);
}

void Machines::confirm(Machine& machine) {
  if (!machine.is_welcome || machine.confirmed == machine.received) return;
  machine.confirmed = machine.received;
  machine.send(protocol::Counted{machine.confirmed});
}

void Machines::confirm_later() {
  if (std::exchange(is_confirm_planned_, true)) return;
  confirm_timer_.expires_after(kCountAfter, [this] {
    is_confirm_planned_ = false;
    for (auto& [name, machine] : machines_) confirm(machine);
  });
}

template <class Message>
Machines::Process* Machines::find(Machine& machine, const Message& message) {
  const auto found = machine.processes.find(message.process);
  return found == machine.processes.end() ? nullptr : found->second;
}

void Machines::take_in(Machine& machine, const protocol::SpawnedNode& spawned) {
  if (Process* const process = find(machine, spawned)) process->set_pid(spawned.pid);
}

void Machines::take_in(Machine& machine, const protocol::UnspawnedNode& unspawned) {
  Process* const process = find(machine, unspawned);
  if (process == nullptr) return;
  machine.processes.erase(unspawned.process);
  process->events.on_output(unspawned.message + " " + unspawned.hint);
  process->end({.exit_code = 1, .signal = 0}, {}, 0);
}

void Machines::take_in(Machine& machine, const protocol::NodeSaid& said) {
  if (Process* const process = find(machine, said)) process->events.on_message(said.message);
}

void Machines::take_in(Machine& machine, const protocol::NodeWrote& wrote) {
  Process* const process = find(machine, wrote);
  if (process == nullptr) return;
  wrote.is_output ? process->events.on_output(wrote.text) : process->events.on_log(wrote.text);
}

void Machines::take_in(Machine& machine, const protocol::NodeGarbled& garbled) {
  Process* const process = find(machine, garbled);
  if (process == nullptr) return;
  const auto on_garbage = process->events.on_garbage;  // which may destroy the process
  on_garbage(garbled.what);
}

void Machines::take_in(Machine& machine, const protocol::NodeCutOff& cut_off) {
  Process* const process = find(machine, cut_off);
  if (process == nullptr) return;
  const auto on_cut_off = process->events.on_cut_off;  // which may destroy the process
  on_cut_off();
}

void Machines::take_in(Machine& machine, const protocol::NodeEnded& ended) {
  Process* const process = find(machine, ended);
  if (process == nullptr) return;
  machine.processes.erase(ended.process);
  std::optional<Crash> crash;
  if (ended.crash)
    crash = Crash{.entity = ended.crash->entity,
                  .method = ended.crash->method,
                  .frames = ended.crash->frames,
                  .source = static_cast<Crash::Source>(
                      std::min<std::uint8_t>(ended.crash->source, static_cast<std::uint8_t>(Crash::Source::turn)))};
  process->end({.exit_code = ended.exit_code, .signal = ended.signal}, std::move(crash), ended.lost_lines);
}

}  // namespace epic::cluster
