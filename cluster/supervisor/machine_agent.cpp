#include "cluster/supervisor/machine_agent.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "cluster/supervisor/former_versions.hpp"
#include "protocol/log_line.hpp"
#include "protocol/map_change.hpp"

namespace epic::cluster {

using protocol::ProcessId;

namespace {

constexpr std::uint64_t kConfirmEvery = 64;  // messages
constexpr std::chrono::milliseconds kConfirmAfter{500};

bool is_counted(const protocol::ToMachine& message) {
  return !std::holds_alternative<protocol::Welcome>(message) && !std::holds_alternative<protocol::Counted>(message);
}

/// Nobody needs it later.
bool is_fleeting(const protocol::FromMachine& message) {
  const auto* const said = std::get_if<protocol::NodeSaid>(&message);
  return said != nullptr && std::holds_alternative<protocol::Heartbeat>(said->message);
}

protocol::NodeEnded ended(ProcessId id, ProcessEnd end, const NodeProcess& process) {
  protocol::NodeEnded message{.process = id,
                              .exit_code = end.exit_code,
                              .signal = end.signal,
                              .crash = {},
                              .lost_lines = process.count_lost_lines()};
  if (auto crash = process.read_crash())
    message.crash = protocol::NodeCrash{.entity = std::move(crash->entity),
                                        .method = std::move(crash->method),
                                        .frames = std::move(crash->frames),
                                        .source = static_cast<std::uint8_t>(crash->source)};
  return message;
}

/// The leader believes that it runs.
protocol::NodeEnded unknown(ProcessId id) { return {.process = id, .exit_code = 1}; }

}  // namespace

void MachineAgent::connect(const std::string& leader, Send send) {
  if (leader != leader_) {
    leader_ = leader;
    // It does not hear of these: they may be spares, or end while their shards are given to others.
    std::erase_if(processes_, [](const auto& one) { return !one.second.is_live(); });
    kept_ = {};
    drops_lines_ = false;
    for (auto& [id, process] : processes_) report_lost_lines(process);
    received_ = confirmed_ = 0;
  }
  requests_.disconnect();  // from the link before
  send_ = std::move(send);
  is_welcome_ = false;
  send_(protocol::Hello{.machine = parts_.machine,
                        .leader = leader_,
                        .version = parts_.options.version,
                        .store = parts_.options.store.text(),
                        .run_directory = parts_.paths.run.string(),
                        .pid = static_cast<std::uint32_t>(parts_.host.pid()),
                        .nodes = parts_.options.node_count,
                        .received = received_,
                        .fabric_id = fabric_id_,
                        .notes = notes_now(),
                        .live = list_live(),
                        .speaks = protocol::kSpoken});
}

void MachineAgent::disconnect() {
  send_ = nullptr;
  is_welcome_ = false;
  requests_.disconnect();
}

protocol::FabricNotes MachineAgent::notes_now() const {
  protocol::FabricNotes notes = notes_;
  notes.age += parts_.host.now() - noted_at_;
  return notes;
}

std::vector<protocol::LiveNode> MachineAgent::list_live() const {
  std::vector<protocol::LiveNode> live;
  for (const auto& [id, process] : processes_) {
    if (!process.is_live()) continue;
    live.push_back(process.live);
    live.back().age = parts_.host.now() - process.spawned_at;
  }
  return live;
}

void MachineAgent::on_message(const protocol::ToMachine& message) {
  if (is_counted(message) && ++received_ - confirmed_ >= kConfirmEvery)
    confirm();
  else if (is_counted(message))
    confirm_timer_.expires_after(kConfirmAfter, [this] { confirm(); });
  std::visit([this](const auto& one) { carry_out(one); }, message);
}

void MachineAgent::confirm() {
  confirm_timer_.cancel();
  if (!is_welcome_ || confirmed_ == received_) return;
  confirmed_ = received_;
  send_(protocol::Counted{confirmed_});
}

void MachineAgent::send(protocol::FromMachine message, std::size_t text_bytes) {
  if (is_fleeting(message) && !is_welcome_) return;
  if (!is_known_to(leader_speaks_, message)) return;
  const protocol::FromMachine& kept = kept_.keep(std::move(message), text_bytes);
  if (is_welcome_) send_(kept);
}

// ---- what the leader says ----

void MachineAgent::carry_out(const protocol::Welcome& welcome) {
  if (!send_ || std::exchange(is_welcome_, true)) return;
  fabric_id_ = welcome.fabric_id;
  leader_speaks_ = welcome.speaks;
  kept_.on_counted(welcome.received);
  for (const protocol::FromMachine& message : kept_.list()) send_(message);
  confirm();
  requests_.connect([this](const ControlRequest& request) { send(protocol::MachineAsked{request}); },
                    [this](std::uint64_t request) { send(protocol::MachineGaveUp{request}); });
}

void MachineAgent::carry_out(const protocol::Counted& counted) {
  kept_.on_counted(counted.messages);
  if (!drops_lines_ || !kept_.is_half_empty()) return;
  drops_lines_ = false;
  for (auto& [id, process] : processes_) report_lost_lines(process);
}

void MachineAgent::carry_out(const protocol::SpawnNode& spawn) {
  const ProcessId id = spawn.process;
  auto spawned =
      parts_.host.spawn({.path = parts_.options.node_program,
                         .arguments = spawn.arguments,
                         .directory = parts_.options.project_directory},
                        {.on_message = [this, id](const protocol::FromNode& message) { on_said(id, message); },
                         .on_log = [this, id](std::string_view text) { on_line({id, std::string(text), false}); },
                         .on_output = [this, id](std::string_view text) { on_line({id, std::string(text), true}); },
                         .on_garbage = [this, id](const std::string& what) { send(protocol::NodeGarbled{id, what}); },
                         .on_cut_off = [this, id] { send(protocol::NodeCutOff{id}); },
                         .on_end = [this, id](ProcessEnd end) { on_end(id, end); }});
  if (!spawned) return send(protocol::UnspawnedNode{id, spawned.error().message, spawned.error().hint});
  const pid_t pid = (*spawned)->pid();
  processes_[id] = {.process = leased_.adopt(std::move(*spawned)),
                    .live = {.process = id, .pid = pid},
                    .spawned_at = parts_.host.now()};
  send(protocol::SpawnedNode{id, pid});
}

void MachineAgent::carry_out(protocol::ToldNode told) {
  const auto found = processes_.find(told.process);
  if (found == processes_.end()) return send(unknown(told.process));
  Process& process = found->second;
  if (process.is_held) return process.held.push_back(std::move(told.message));
  if (auto* const first = std::get_if<protocol::Configure>(&told.message)) return configure(process, std::move(*first));
  tell(process, std::move(told.message));
}

void MachineAgent::tell(Process& process, protocol::ToNode message) {
  protocol::LiveNode& live = process.live;
  if (const auto* release = std::get_if<protocol::Release>(&message)) {
    for (const kernel::ShardId shard : release->shards) live.asked.push_back({shard, release->map_version});
  } else if (const auto* change = std::get_if<protocol::MapChange>(&message)) {
    const auto is_lost = [&](const auto& held) {
      return protocol::find_owner(*change, held.shard).value_or(live.node) != live.node;
    };
    std::erase_if(live.taken, is_lost);
    std::erase_if(live.asked, is_lost);
  } else if (std::holds_alternative<protocol::Stop>(message)) {
    process.is_stopping = true;
  }
  if (!process.process->try_send(message)) process.process->kill();  // it does not read
}

void MachineAgent::configure(Process& process, protocol::Configure configure) {
  if (is_unnamed(configure.module_origin)) {
    const auto digest = parts_.take_in(configure.module_path);
    if (!digest) return refuse(process, digest.error());
    configure.module_origin.digest = *digest;
  }
  protocol::LiveNode& live = process.live;
  live.node = configure.node;
  live.incarnation = configure.incarnation;
  live.module = configure.module_origin;
  process.is_held = true;
  parts_.get_module(live.module, [this, id = live.process, configure = std::move(configure)](
                                     const auto& module) mutable { on_module(id, std::move(configure), module); });
}

void MachineAgent::refuse(Process& process, const SupervisorError& why) {
  send(protocol::NodeWrote{process.live.process, why.message + " " + why.hint, true});
  process.process->kill();
}

/// The process may have ended meanwhile.
void MachineAgent::on_module(ProcessId id, protocol::Configure configure,
                             const std::expected<std::filesystem::path, SupervisorError>& module) {
  const auto found = processes_.find(id);
  if (found == processes_.end()) return;
  Process& process = found->second;
  process.is_held = false;
  if (!module) return refuse(process, module.error());
  configure.module_path = module->string();
  configure.project_directory = parts_.options.project_directory.string();
  configure.socket_path = parts_.paths.node_socket(configure.node).string();
  configure.place = {.machine = parts_.machine, .tcp = parts_.options.tcp};
  const auto crash_memory = process.process->crash_memory();
  if (!crash_memory)
    send(protocol::NodeWrote{
        id, fmt::format("A crash of this node will not name its entity: {}.", crash_memory.error()), true});
  configure.crash_memory = crash_memory.value_or("");
  tell(process, std::move(configure));
  for (protocol::ToNode& message : std::exchange(process.held, {})) tell(process, std::move(message));
}

void MachineAgent::carry_out(const protocol::SignalNode& signal) {
  const auto found = processes_.find(signal.process);
  if (found == processes_.end()) return send(unknown(signal.process));
  if (signal.number == SIGKILL) return found->second.process->kill();
  static_cast<void>(found->second.process->try_signal(signal.number));
}

void MachineAgent::carry_out(const protocol::FabricNotes& notes) {
  notes_ = notes;
  noted_at_ = parts_.host.now();
  const auto setup = static_cast<SetupState>(std::min(notes.setup, static_cast<std::uint32_t>(SetupState::failed)));
  if (parts_.on_setup) parts_.on_setup(setup);
}

void MachineAgent::carry_out(const protocol::Dismiss& dismiss) {
  confirm();
  parts_.on_dismissed(dismiss);
}

// ---- what the processes say ----

void MachineAgent::on_said(ProcessId id, const protocol::FromNode& message) {
  const auto found = processes_.find(id);
  if (found == processes_.end()) return;
  protocol::LiveNode& live = found->second.live;
  if (const auto* ready = std::get_if<protocol::Ready>(&message)) {
    found->second.is_ready = true;
    live.ready = *ready;
    check_ready();
  } else if (const auto* taken = std::get_if<protocol::Taken>(&message)) {
    for (const protocol::TakenShard& one : taken->shards) {
      std::erase_if(live.taken, [&](const auto& held) { return held.shard == one.shard; });
      live.taken.push_back(one);
    }
  } else if (const auto* released = std::get_if<protocol::Released>(&message)) {
    const auto is_it = [&](const auto& held) { return held.shard == released->shard; };
    std::erase_if(live.taken, is_it);
    std::erase_if(live.asked, is_it);
  }
  send(protocol::NodeSaid{id, message});
}

/// The process may not be there yet, or no more.
void MachineAgent::on_line(protocol::NodeWrote line) {
  drops_lines_ = drops_lines_ || kept_.is_full();
  if (!drops_lines_) {
    const std::size_t bytes = line.text.size();
    return send(std::move(line), bytes);
  }
  if (const auto found = processes_.find(line.process); found != processes_.end()) ++found->second.lost_lines;
}

void MachineAgent::report_lost_lines(Process& process) {
  if (process.lost_lines == 0) return;
  std::string text = protocol::format_log_line(
      {.time = parts_.host.wall_now(),
       .source = {},
       .level = protocol::LogLevel::warn,
       .entity = {},
       .message = fmt::format("Lines lost here because the link to the leader was down or too slow: {}.",
                              std::exchange(process.lost_lines, 0))});
  text.pop_back();  // the line break
  send(protocol::NodeWrote{process.live.process, std::move(text), false});
}

void MachineAgent::check_ready() {
  std::vector<FabricReady::Node> ready;
  for (const auto& [id, process] : processes_)
    if (process.is_ready)
      ready.push_back(
          {fmt::format("node-{}", process.live.node), process.live.pid, parts_.paths.node_socket(process.live.node)});
  if (ready.size() < parts_.options.node_count || std::exchange(has_been_ready_, true)) return;
  std::ranges::sort(ready, {}, &FabricReady::Node::name);
  if (parts_.on_ready) parts_.on_ready(std::move(ready));
}

void MachineAgent::on_end(ProcessId id, ProcessEnd end) {
  auto found = processes_.extract(id);
  if (found.empty()) return;
  if (found.mapped().live.node != kernel::NodeId{0})
    parts_.host.remove_socket(parts_.paths.node_socket(found.mapped().live.node));
  report_lost_lines(found.mapped());
  send(ended(id, end, *found.mapped().process));
}

void MachineAgent::leave() { send(protocol::MachineLeaves{}); }

}  // namespace epic::cluster
