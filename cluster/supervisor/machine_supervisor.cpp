#include "cluster/supervisor/machine_supervisor.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <utility>

#include "cluster/supervisor/former_versions.hpp"
#include "codec/described_json.hpp"

namespace epic::cluster {

namespace control = protocol::control;
using protocol::LogLevel;

namespace {

constexpr std::chrono::milliseconds kRowsRetry{500};
constexpr std::chrono::milliseconds kFetchRetry{500};
constexpr std::chrono::seconds kLeaveMargin{5};  // beyond the grace
constexpr std::chrono::milliseconds kHearEvery{20};
constexpr std::chrono::seconds kHearMax{1};  // for all machines to hear that the fabric has ended

bool is_for_this_machine(const ControlRequest& request) {
  const auto stop = codec::read_described_text<control::Stop::Request>(request.body);
  return stop && stop->machine;
}

}  // namespace

struct MachineSupervisor::Rows {
  std::vector<storage::Store::ShardRow> list;
  std::optional<storage::StoreError> error;
};

MachineSupervisor::MachineSupervisor(Parts parts)
    : options_(parts.options),
      paths_(parts.paths),
      logs_(parts.logs),
      modules_(parts.modules),
      open_store_(std::move(parts.open_store)),
      machine_(std::move(parts.machine)),
      address_(std::move(parts.address)),
      coordination_name_(std::move(parts.coordination_name)),
      host_(parts.host),
      connect_to_(std::move(parts.connect)),
      count_refused_at_port_(std::move(parts.count_refused)),
      on_end_(std::move(parts.on_end)),
      agent_({.host = host_,
              .options = options_,
              .paths = paths_,
              .machine = machine_,
              .get_module = [this](const protocol::ModuleOrigin& origin,
                                   auto done) { get_module(origin, std::move(done)); },
              .take_in = [this](const std::string& path) { return modules_.take_in(path); },
              .on_dismissed = [this](const protocol::Dismiss& message) { on_dismissed(message); },
              .on_ready = [this](std::vector<FabricReady::Node> nodes) { on_nodes_ready(std::move(nodes)); },
              .on_setup =
                  [this](SetupState state) {
                    setup_ = state;
                    tell_setup();
                  }}),
      membership_(
          host_, parts.coordination,
          {.lease = {.timeout = options_.lease, .margin = options_.lease_margin},
           .machine = machine_,
           .address = address_,
           .joins = options_.joins,
           .waits_for = options_.evicted},
          {.boot_now = [this] { return host_.boot_now(); },
           .on_machine =
               [this](const std::string& machine, const std::optional<std::string>& address) {
                 if (address)
                   addresses_[machine] = *address;
                 else
                   addresses_.erase(machine);
                 if (address && machine != machine_ && *address != address_ && answers_reach_wanted(*address))
                   reach_.add(machine, *address);
                 else
                   reach_.remove(machine);
                 if (machines_) address ? machines_->on_key(machine) : machines_->on_key_gone(machine);
                 begin_if_complete();
               },
           .on_leader = [this](const std::optional<std::string>& leader) { follow(leader); },
           .on_lead = [this] { lead(); },
           .on_renewed =
               [this](io::BootTime valid_until) {
                 if (!std::exchange(trouble_, {}).empty())
                   say(LogLevel::info, "Coordination answers again, and the machine's lease is renewed.");
                 start_timer_.cancel();
                 valid_until_ = valid_until;
                 agent_.on_renewed(valid_until);
                 begin_if_complete();
               },
           .on_lost = [this](const std::string& why) { on_lost(why); },
           .on_no_fabric =
               [this] {
                 fail({fmt::format("No supervisor leads a fabric of {} that could be joined.", options_.project_name),
                       fmt::format("Start it with 'epic run' in {}.", options_.project_directory.string()),
                       {}});
               },
           .on_delayed =
               [this](const std::string& why) {
                 if (std::exchange(trouble_, why).empty())
                   say(LogLevel::error,
                       fmt::format("Coordination by {} fails, so this machine's lease is not renewed just now: {}",
                                   coordination_name_, why));
               },
           .on_evicted = [this](const std::string& why) { on_evicted(why); },
           .on_waiting =
               [this](const std::string& machine, const std::optional<std::string>& why) {
                 if (why)
                   waiting_[machine] = *why;
                 else
                   waiting_.erase(machine);
               },
           .hesitates = [this] { return !reach_.list_silent().empty(); }}),
      guests_({.host = host_,
               .version = options_.version,
               .manifest = options_.manifest,
               .on_request = [this](const ControlRequest& request,
                                    ControlReply reply) { handle(request, std::move(reply)); },
               .drop = [this](const LinkToMachine& link) { drop(link); }}) {}

MachineSupervisor::~MachineSupervisor() = default;

void MachineSupervisor::start() {
  say(LogLevel::info, fmt::format("This machine is {}.", machine_));
  if (is_waiting_)
    say(LogLevel::warn,
        fmt::format("It was evicted, because it {}, and waits until it reaches all machines.", options_.evicted));
  membership_.start();
  start_timer_.expires_after(options_.start_timeout, [this] {
    fail({fmt::format("Coordination by {} has given this machine no lease within {}{}", coordination_name_,
                      std::chrono::ceil<std::chrono::seconds>(options_.start_timeout),
                      trouble_.empty() ? "." : fmt::format(": {}", trouble_)),
          "Check [fabric] coordination in epic.toml, and whether the service runs.", logs_.directory()});
  });
  tick();
}

void MachineSupervisor::stop(const std::string& why) { fabric_ && !is_leaving_ ? fabric_->stop(why) : leave(why); }

void MachineSupervisor::stop_at_once(const std::string& why) {
  fabric_ && !is_leaving_ ? fabric_->kill(why) : finish(kExitInterrupted, std::nullopt);
}

void MachineSupervisor::tick() {
  if (exit_code_) return;
  tick_.expires_after(kMachineTick, [this] { tick(); });
  if (!link_) connect();
  is_waiting_ ? enter_when_reached() : watch_others();
  if (exit_code_) return;
  guests_.drop_idle();
  drop_silent(kMachineTick);
  if (!fabric_ && !is_leaving_ && !host_.is_directory_in_place()) leave("its directory is gone");
}

// ---- as one machine of several ----

void MachineSupervisor::follow(const std::optional<std::string>& leader) {
  leader_ = leader;
  if (link_ && leader) std::exchange(link_, nullptr)->close();  // one that ends may still have something to say
  if (!link_) agent_.disconnect();
  say(LogLevel::info, leader ? fmt::format("{} leads the fabric.", *leader)
                             : "Nobody leads the fabric at the moment; its nodes go on.");
  connect();
}

/// Tried again with each tick.
void MachineSupervisor::connect() {
  if (!leader_ || machines_ || is_dismissed_ || is_waiting_ || exit_code_) return;
  const auto address = addresses_.find(*leader_);
  if (address == addresses_.end()) return;
  link_ = connect_to_(address->second);
  if (!link_) return;
  link_->start({.on_message =
                    [this](const protocol::ToMachine& message) {
                      if (link_) agent_.on_message(message);
                    },
                .on_closed =
                    [this] {
                      link_.reset();
                      agent_.disconnect();
                    }});
  agent_.connect(*leader_, [this](const protocol::FromMachine& message) {
    if (link_) link_->send(message);
  });
  if (is_leaving_) agent_.leave();
}

void MachineSupervisor::handle(const ControlRequest& request, ControlReply reply) {
  if (fabric_ && !(request.verb == control::Stop::kVerb.name && is_for_this_machine(request)))
    return fabric_->handle(request, std::move(reply));
  if (request.verb == control::Ping::kVerb.name) return answer_ping(reply);
  if (is_waiting_ && request.verb != control::Stop::kVerb.name) return refuse_waiting(reply);
  if (const auto lease = find_unrenewed();
      lease && lease->is_over && valid_until_ != io::BootTime() && request.verb != control::Stop::kVerb.name)
    return reply.fail(AnswerStatus::failed,
                      fmt::format("This machine's lease is over, so its nodes answer nothing: {}.", lease->why),
                      control::FailureDetail{.hint = "ask another machine; this one leaves the fabric, and has to be "
                                                     "started again, when it reaches coordination"});
  if (request.verb == control::Restart::kVerb.name) return ask_to_restart(request, std::move(reply));
  if (request.verb != control::Stop::kVerb.name) return agent_.ask(request, std::move(reply));
  if (machines_ && !machines_->has_others() && is_for_this_machine(request))
    return reply.fail(AnswerStatus::failed, "No other machine could go on with the shards of this one.",
                      control::FailureDetail{.hint = "stop the whole fabric with 'epic stop'"});
  reply.part(codec::describe_json(control::Stop::Answer{.node = "supervisor", .event = "stopping", .unsaved = {}}));
  stop_watchers_.push_back(std::move(reply));
  leave("requested by 'epic stop'");
}

/// With this machine's project as it is now, if there is one here: the leader fetches it.
void MachineSupervisor::ask_to_restart(ControlRequest request, ControlReply reply) {
  auto asked = codec::read_described_text<control::Restart::Request>(request.body);
  if (asked && !options_.module_path.empty()) {
    const auto copy = modules_.take();
    if (!copy) return refuse(copy.error(), reply);
    asked->module = copy->digest;
    asked->built_at_ns = copy->built_at.time_since_epoch() / std::chrono::nanoseconds(1);
    asked->address = address_;
    request.body = codec::describe_text(*asked);
  }
  agent_.ask(request, std::move(reply));
}

/// From the leader, which has told a node to load it.
void MachineSupervisor::get_module(const protocol::ModuleOrigin& origin, MachineAgent::Parts::ModuleDone done) {
  if (const auto copy = modules_.find(origin)) return done(copy->path);
  const auto address = leader_ ? addresses_.find(*leader_) : addresses_.end();
  if (address == addresses_.end())
    return done(std::unexpected(SupervisorError{"This machine does not have the module.", {}, {}}));
  fetch_.get(origin, address->second,
             [done = std::move(done)](const std::expected<ModuleCopy, SupervisorError>& copy) mutable {
               copy ? done(copy->path) : done(std::unexpected(copy.error()));
             });
}

/// It is about this supervisor, which may have nobody to ask.
void MachineSupervisor::answer_ping(const ControlReply& reply) const {
  const ModuleCopy* const copy = modules_.newest();
  reply.finish(
      codec::describe_json(control::Ping::Answer{.version = options_.version,
                                                 .pid = host_.pid(),
                                                 .project = options_.project_name,
                                                 .directory = options_.project_directory.string(),
                                                 .module = options_.module_path.string(),
                                                 .module_copy = copy == nullptr ? std::string() : copy->path.string(),
                                                 .generation = copy == nullptr ? 0 : copy->generation.value,
                                                 .fabric = agent_.fabric_id(),
                                                 .nodes = options_.node_count,
                                                 .shards = options_.shard_count,
                                                 .logs = logs_.directory().string(),
                                                 .started_at = protocol::format_time(begun_time_),
                                                 .speaks = protocol::kSpoken}));
}

/// The others go on, with the shards of this machine's nodes.
void MachineSupervisor::leave(const std::string& why) {
  if (std::exchange(is_leaving_, true)) return;
  say(LogLevel::info, fmt::format("Leaving the fabric: {}.", why));
  if (options_.on_event) options_.on_event({SupervisorEventKind::stopping, why});
  if (!agent_.has_processes() || (machines_ && !fabric_)) return finish(kExitOk, std::nullopt);
  agent_.leave();
  leave_timer_.expires_after(options_.fabric.grace + kLeaveMargin, [this] {
    fail({"The machine could not leave the fabric in order: its shards were not given to others in time.",
          "What was acknowledged is saved, and the other machines go on with it.", logs_.directory()});
  });
}

void MachineSupervisor::on_dismissed(const protocol::Dismiss& message) {
  is_dismissed_ = true;
  say(message.is_error ? LogLevel::error : LogLevel::info, message.why);
  if (message.is_error) return fail({message.why, message.hint, logs_.directory()});
  if (fabric_) return fabric_->step_down();
  finish(kExitOk, std::nullopt);
}

void MachineSupervisor::on_nodes_ready(std::vector<FabricReady::Node> nodes) {
  if (machines_ || !options_.on_ready) return;  // the fabric reports it
  options_.on_ready({.pid = host_.pid(),
                     .nodes = std::move(nodes),
                     .control_socket = paths_.control_socket,
                     .store = options_.store.shown(),
                     .log_directory = logs_.directory(),
                     .took = std::chrono::duration_cast<std::chrono::milliseconds>(host_.now() - begun_at_)});
  is_ready_told_ = true;
  tell_setup();
}

/// Once, and after the nodes are ready: the starter of a detached supervisor waits for both in this order.
void MachineSupervisor::tell_setup() {
  const bool is_over = setup_ == SetupState::done || setup_ == SetupState::failed;
  if (machines_ || !options_.on_event || !is_ready_told_ || !is_over || std::exchange(is_setup_told_, true)) return;
  if (setup_ == SetupState::done) return options_.on_event({SupervisorEventKind::setup_done, {}});
  options_.on_event({SupervisorEventKind::setup_failed, "see the log of the supervisor that has run it"});
}

/// Others may have this machine's shards, so its nodes must not go on.
void MachineSupervisor::on_lost(const std::string& why) {
  agent_.kill_all();
  const SupervisorError error{fmt::format("This machine has left the fabric: {}.", why),
                              "The other machines go on with its shards. Start it again when it can reach them.",
                              logs_.directory()};
  if (fabric_ && !exit_code_) return fabric_->depose(error);
  fail(error);
}

void MachineSupervisor::fail(SupervisorError error) { finish(kExitFailed, std::move(error)); }

// ---- as the leader ----

void MachineSupervisor::lead() {
  if (exit_code_) return;
  leader_.reset();
  if (link_) std::exchange(link_, nullptr)->close();
  agent_.disconnect();
  if (is_leaving_) return finish(kExitOk, std::nullopt);  // and another leads
  machines_.emplace(host_, machine_);
  for (const auto& [machine, address] : addresses_) machines_->on_key(machine);
  agent_.connect(machine_, [this](const protocol::FromMachine& message) {
    host_.post([this, message] {
      if (const auto* hello = std::get_if<protocol::Hello>(&message))
        static_cast<void>(machines_->greet(*hello, [this](const protocol::ToMachine& answer) {
          host_.post([this, answer] { agent_.on_message(answer); });
        }));
      else
        machines_->on_message(machine_, machines_->link_of(machine_), message);
      begin_if_complete();
    });
  });
  read_rows();
}

/// On the host's second thread.
void MachineSupervisor::read_rows() {
  const auto rows = std::make_shared<Rows>();  // handed from the work to what follows it
  host_.run_beside(
      [open_store = open_store_, rows] {
        auto store = open_store();
        auto list = store ? (*store)->shards() : std::unexpected(store.error());
        if (list)
          rows->list = *std::move(list);
        else
          rows->error = list.error();
      },
      [this, rows] { on_rows(*rows); });
}

void MachineSupervisor::on_rows(const Rows& rows) {
  if (exit_code_) return;
  const bool is_new = rows.error && rows.error->code == storage::StoreErrorCode::not_found;
  if (rows.error && storage::ends_fabric(rows.error->code)) return fail({rows.error->message, {}, logs_.directory()});
  if (rows.error && !is_new) {
    say(LogLevel::error, "The owners of shards cannot be read just now: " + rows.error->message);
    return rows_timer_.expires_after(kRowsRetry, [this] { read_rows(); });
  }
  rows_ = rows.list;
  begin_if_complete();
}

/// With all machines that are there. While the lease is valid nobody else can have led since the rows were read;
/// otherwise another may lead by now.
void MachineSupervisor::begin_if_complete() {
  if (host_.boot_now() >= valid_until_) return;
  if (!machines_ || fabric_ || !rows_ || exit_code_ || addresses_.empty() || !machines_->is_complete() || is_fetching_)
    return;
  const auto greeted = machines_->list_greeted();
  auto takeover = plan_takeover(*rows_, greeted, options_.shard_count,
                                fmt::format("{}/{}", options_.project_directory.string(), machine_));
  auto module = find_module(takeover);
  if (!module) return fail(module.error());
  if (!*module) return;  // it is on its way
  const std::uint64_t term = takeover.term.value;
  fabric_ = std::make_unique<Fabric>(
      FabricParts{.host = host_,
                  .options = options_,
                  .paths = paths_,
                  .run = term,
                  .logs = logs_,
                  .modules = modules_,
                  .module = **std::move(module),
                  .open_store = open_store_,
                  .machines = &*machines_,
                  .takeover = std::move(takeover),
                  .fetch_module = [this](const auto& origin, const auto& address,
                                         auto done) { fetch_.get(origin, address, std::move(done)); },
                  .list_waiting = [this] { return list_waiting(); },
                  .list_machines = [this] { return list_machines(); },
                  .find_unrenewed = [this] { return find_unrenewed(); },
                  .on_end = [this](const FabricEnd& end) { on_fabric_end(end); }});
  fabric_->start();
}

/// What nodes run, or are started with. Nothing if it has to come from a machine whose nodes run it; if there is none,
/// the project's module of this machine takes its place.
std::expected<std::optional<ModuleCopy>, SupervisorError> MachineSupervisor::find_module(Takeover& takeover) {
  if (!takeover.module.empty()) {
    const protocol::ModuleOrigin origin{
        .generation = takeover.generation.value, .built_at = {}, .digest = takeover.module};
    if (auto copy = modules_.find(origin)) return copy;
    if (const auto address = addresses_.find(takeover.module_at); address != addresses_.end()) {
      is_fetching_ = true;
      fetch_.get(origin, address->second, [this](const std::expected<ModuleCopy, SupervisorError>& fetched) {
        is_fetching_ = false;
        if (fetched) return begin_if_complete();
        say(LogLevel::error, fetched.error().message);
        fetch_timer_.expires_after(kFetchRetry, [this] { begin_if_complete(); });
      });
      return std::nullopt;
    }
    takeover.generation = takeover.generation.next();
    say(LogLevel::warn, "No machine has the module that the former leader had, so nodes are started with this one's.");
  }
  modules_.go_on_before(takeover.generation);
  auto taken = modules_.take();
  if (!taken) return std::unexpected(taken.error());
  return *std::move(taken);
}

/// A service that has not answered yet may never do.
std::optional<control::UnrenewedLease> MachineSupervisor::find_unrenewed() const {
  const bool is_over = host_.boot_now() >= valid_until_;
  if (trouble_.empty() && !is_over) return std::nullopt;
  std::string why = fmt::format("coordination by {} {}", coordination_name_,
                                trouble_.empty() ? "does not answer" : "fails: " + trouble_);
  while (why.ends_with('.')) why.pop_back();
  return control::UnrenewedLease{.machine = machine_, .why = std::move(why), .is_over = is_over};
}

void MachineSupervisor::on_fabric_end(const FabricEnd& end) {
  if (machines_->is_abandoned()) return finish(end.exit_code, end.error);
  if (!end.error || end.exit_code == kExitOk)
    dismissal_ = {.why = "The fabric has stopped."};
  else
    dismissal_ = {.why = end.error->message, .hint = end.error->hint, .is_error = true};
  machines_->dismiss_all(*dismissal_);
  end_when_heard(end, host_.now() + kHearMax);
}

/// Keeps the lease until then: a machine that has not heard it would lead next, and start everything again.
void MachineSupervisor::end_when_heard(FabricEnd end, Host::TimePoint give_up_at) {
  const auto unheard = machines_->list_undismissed();
  if (!unheard.empty() && host_.now() < give_up_at)
    return hear_timer_.expires_after(kHearEvery, [this, end, give_up_at] { end_when_heard(end, give_up_at); });
  for (const std::string& machine : unheard)
    membership_.evict(machine, "did not hear that the fabric has stopped", [](bool) {});
  finish(end.exit_code, end.error);
}

// ---- the end ----

void MachineSupervisor::finish(int exit_code, std::optional<SupervisorError> error) {
  if (exit_code_) return;
  exit_code_ = exit_code;
  if (machines_) machines_->abandon();  // what still runs elsewhere is the next leader's
  agent_.kill_all();                    // those that have not ended yet
  tick_.cancel();
  rows_timer_.cancel();
  fetch_timer_.cancel();
  fetch_.end();
  leave_timer_.cancel();
  hear_timer_.cancel();
  start_timer_.cancel();
  reach_.end();
  if (error) say(LogLevel::error, error->message);
  if (error && options_.on_error && evicted_.empty()) options_.on_error(*error);
  if (!error && options_.on_event) options_.on_event({SupervisorEventKind::stopped, {}});
  for (const ControlReply& watcher : stop_watchers_)
    watcher.finish(
        codec::describe_json(control::Stop::Answer{.node = "supervisor", .event = "stopped", .unsaved = {}}));
  stop_watchers_.clear();
  membership_.end([this] { is_given_back_ = true; });
  on_end_(exit_code);
}

bool MachineSupervisor::has_said_all() const {
  return links_.is_sent() && (!link_ || link_->is_sent()) && is_given_back_;
}

void MachineSupervisor::say(LogLevel level, std::string message) {
  logs_.add({host_.wall_now(), "supervisor", level, "", std::move(message)});
}

}  // namespace epic::cluster
