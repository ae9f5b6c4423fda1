#include "cluster/supervisor/control_verbs.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "codec/described_json.hpp"
#include "kernel/limits.hpp"
#include "kernel/placement.hpp"
#include "protocol/json.hpp"

namespace epic::cluster {

namespace json = boost::json;
namespace control = protocol::control;
using std::chrono::milliseconds;

namespace {

/// A person waits, and wants to know which node is blocked.
constexpr milliseconds kQuestionTimeout{NodeRequests::kSilenceMax};
/// A reader may be slow (`epic ls | less`); a hanging node is detected by its silence.
constexpr std::chrono::hours kListTimeout{24};
/// Covers running calls, the disk, and a moving shard.
constexpr std::chrono::seconds kChangeTimeout{60};
/// The node ends a call at its deadline, with a better message; this applies if it does not.
constexpr milliseconds kCallMargin{250};
constexpr milliseconds kProgressEvery{1000};
constexpr std::uint64_t kNodesMax = 64;
constexpr milliseconds kCallTimeoutMax{std::chrono::hours(24)};

std::int64_t count_ms(std::chrono::nanoseconds duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

struct EntityName {
  std::string type;
  std::string key;
};

std::expected<EntityName, std::string> parse_entity(const std::string& name) {
  const auto slash = name.find('/');
  if (slash == std::string::npos || slash == 0)
    return std::unexpected(fmt::format("'{}' is not a valid entity name: it is written Type/Key.", name));
  if (slash > kernel::limits::kTypeNameBytesMax || name.size() - slash - 1 > kernel::limits::kKeyBytesMax)
    return std::unexpected(fmt::format("The name of the entity is too long: a type has at most {} bytes and a key {}.",
                                       kernel::limits::kTypeNameBytesMax, kernel::limits::kKeyBytesMax));
  return EntityName{name.substr(0, slash), name.substr(slash + 1)};
}

/// Forwards a node's answer.
void relay(const protocol::Answer& answer, const ControlReply& reply) {
  if (answer.status != protocol::AnswerStatus::ok)
    reply.fail_with(answer.status, answer.body);
  else if (answer.last)
    reply.finish(answer.body);
  else
    reply.part(answer.body);
}

NodeRequests::Room room_of(const ControlReply& reply) {
  if (!reply.is_open()) return NodeRequests::Room::nobody_reads;
  return reply.has_room() ? NodeRequests::Room::yes : NodeRequests::Room::not_yet;
}

control::Ps::Node row_of(const NodeSlot& slot, std::size_t shards, std::chrono::steady_clock::time_point now) {
  control::Ps::Node node;
  static_cast<control::NodeCounters&>(node) = slot.heartbeat.counters;
  node.node = slot.name;
  node.state = describe_state(slot);
  node.shards = shards;
  node.restarts = slot.restarts;
  node.generation = slot.module.generation.value;
  node.built_at = protocol::format_time(slot.module.built_at);
  if (slot.last_exit) node.last_exit = slot.last_exit->text();
  if (!slot.machine.empty()) node.machine = slot.machine;
  if (!slot.process) return node;
  node.pid = slot.process->pid();
  if (!slot.host.empty()) node.address = protocol::format_tcp_address(slot.host, slot.port);
  node.uptime_ms = count_ms(now - slot.started_at);
  const protocol::Heartbeat& beat = slot.heartbeat;
  node.store = beat.store_blocked.empty() ? "ok" : "blocked";
  if (beat.store_blocked.empty()) return node;
  node.store_reason = beat.store_blocked;
  node.store_blocked_ms = count_ms(beat.store_blocked_for);
  return node;
}

template <class Value>
void finish_with(const ControlReply& reply, const Value& value) {
  reply.finish(codec::describe_json(value));
}

template <class Value>
void send_part(const ControlReply& reply, const Value& value) {
  reply.part(codec::describe_json(value));
}

}  // namespace

void refuse(const SupervisorError& error, const ControlReply& reply) {
  reply.fail(AnswerStatus::failed, error.message,
             error.hint.empty() ? std::nullopt : std::optional(control::FailureDetail{.hint = error.hint}));
}

ControlVerbs::ControlVerbs(ControlVerbsParts parts)
    : parts_(std::move(parts)), trail_verbs_(parts_.host, parts_.fleet, parts_.requests, parts_.trail) {}

template <class Verb>
void ControlVerbs::receive(const json::object& body, ControlReply reply) {
  auto request = codec::read_described<typename Verb::Request>(body);
  if (!request)
    return reply.fail(AnswerStatus::bad_request,
                      fmt::format("The request '{}' is not as it should be: {}.", Verb::kVerb.name, request.error()));
  answer(Asked<Verb>{.request = *std::move(request), .body = body, .reply = std::move(reply)});
}

void ControlVerbs::handle(const ControlRequest& request, ControlReply reply) {
  using Receive = void (ControlVerbs::*)(const json::object&, ControlReply);
  static constexpr auto kReceivers = []<class... Verb>(std::tuple<Verb...>*) {
    return std::array<std::pair<std::string_view, Receive>, sizeof...(Verb)>{
        {{Verb::kVerb.name, &ControlVerbs::receive<Verb>}...}};
  }(static_cast<control::Verbs*>(nullptr));
  const auto receiver = std::ranges::find(kReceivers, request.verb, &std::pair<std::string_view, Receive>::first);
  if (receiver == kReceivers.end())
    return reply.fail(AnswerStatus::bad_request,
                      fmt::format("The fabric runs epic {}, which does not know the request '{}'.",
                                  parts_.options.version, request.verb));
  const auto body = protocol::parse_json(request.body);
  if (!body || !body->is_object())
    return reply.fail(AnswerStatus::bad_request, fmt::format("The body of '{}' must be a JSON object.", request.verb));
  (this->*receiver->second)(body->get_object(), std::move(reply));
}

void ControlVerbs::answer(const Asked<control::Ping>& asked) {
  const auto nodes = std::ranges::count(parts_.fleet.slots(), true, &NodeSlot::is_wanted);
  finish_with(asked.reply, control::Ping::Answer{.version = parts_.options.version,
                                                 .pid = parts_.host.pid(),
                                                 .project = parts_.options.project_name,
                                                 .directory = parts_.options.project_directory.string(),
                                                 .module = parts_.options.module_path.string(),
                                                 .module_copy = parts_.fleet.module().path.string(),
                                                 .generation = parts_.fleet.module().generation.value,
                                                 .fabric = parts_.fleet.fabric_id(),
                                                 .nodes = static_cast<std::uint32_t>(nodes),
                                                 .shards = parts_.options.shard_count,
                                                 .logs = parts_.logs.directory().string(),
                                                 .started_at = protocol::format_time(started_time_),
                                                 .speaks = protocol::kSpoken});
}

void ControlVerbs::answer(const Asked<control::Ps>& asked) {
  const auto now = parts_.host.now();
  control::Ps::Answer answer{.nodes = {},
                             .supervisor = {.pid = parts_.host.pid(), .uptime_ms = count_ms(now - started_at_)},
                             .setup = std::string(to_string(parts_.setup.state()))};
  for (const NodeSlot& slot : parts_.fleet.slots())
    if (slot.process || slot.is_listed) answer.nodes.push_back(row_of(slot, parts_.shards.count_owned(slot.id), now));
  for (const Quarantine::Entry& entry : parts_.quarantine.list(now))
    answer.quarantined.push_back(
        {.entity = entry.entity, .method = entry.method, .deaths = entry.deaths, .next_attempt_s = entry.left.count()});
  if (parts_.list_waiting)
    for (const auto& [machine, why] : parts_.list_waiting()) answer.evicted.push_back({machine, why});
  if (parts_.list_machines) answer.machines = parts_.list_machines();
  if (parts_.find_unrenewed) answer.unrenewed_lease = parts_.find_unrenewed();
  finish_with(asked.reply, answer);
}

void ControlVerbs::answer(const Asked<control::Nodes>& asked) {
  control::Nodes::Answer answer{.fabric = parts_.fleet.fabric_id(),
                                .shards = parts_.options.shard_count,
                                .nodes = {},
                                .map = {.version = parts_.shards.map().version.value, .owners = {}}};
  for (const NodeSlot& slot : parts_.fleet.slots())
    if (slot.state == NodeState::ready)
      answer.nodes.push_back({.node = slot.name,
                              .socket = slot.socket.string(),
                              .pid = slot.process->pid(),
                              .incarnation = slot.incarnation.value});
  for (const kernel::NodeId owner : parts_.shards.map().owners) answer.map.owners.push_back(owner.value);
  finish_with(asked.reply, answer);
}

void ControlVerbs::answer(const Asked<control::Logs>& asked) {
  const auto& [node, follow, tail] = asked.request;
  const ControlReply& reply = asked.reply;
  if (!node.empty() && node != "supervisor" && find_slot(node, reply) == nullptr) return;
  for (const protocol::LogLine& line : parts_.logs.list_recent(node, tail.value_or(LogHub::kRecentLinesMax)))
    send_part(reply, protocol::row_of(line));
  if (!follow) return reply.finish();

  log_followers_.push_back(reply);
  const auto id = std::make_shared<std::uint64_t>(0);  // shared with the follower, which gets it only afterwards
  *id = parts_.logs.follow([&logs = parts_.logs, node = node, reply, id](const protocol::LogLine& line) {
    if (!reply.is_open()) {
      logs.unfollow(*id);
    } else if (node.empty() || line.source == node) {
      send_part(reply, protocol::row_of(line));
    }
  });
  std::erase_if(log_followers_, [](const ControlReply& follower) { return !follower.is_open(); });
}

void ControlVerbs::answer(const Asked<control::Stop>& asked) {
  send_part(asked.reply, control::Stop::Answer{.node = "supervisor", .event = "stopping", .unsaved = {}});
  stop_watchers_.push_back(asked.reply);
  parts_.stop("requested by 'epic stop'");
}

/// Null, after a failed reply, if there is no such node.
const NodeSlot* ControlVerbs::find_slot(const std::string& node, const ControlReply& reply) const {
  const NodeSlot* last = nullptr;
  for (const NodeSlot& slot : parts_.fleet.slots()) {
    if (!slot.process && !slot.is_listed) continue;
    if (slot.name == node) return &slot;
    last = &slot;
  }
  reply.fail(AnswerStatus::not_found, fmt::format("There is no node '{}': {}.", node,
                                                  last == nullptr ? "the fabric has none at the moment"
                                                                  : "the nodes are node-1 to " + last->name));
  return nullptr;
}

void ControlVerbs::signal(const std::string& node, int number, const ControlReply& reply) {
  const NodeSlot* slot = find_slot(node, reply);
  if (slot == nullptr) return;
  const auto pid = parts_.fleet.signal(slot->id, number);
  if (!pid) return reply.fail(AnswerStatus::failed, pid.error());
  finish_with(reply, control::Signalled{.node = slot->name, .pid = *pid});
}

void ControlVerbs::answer(const Asked<control::Kill>& asked) { signal(asked.request.node, SIGKILL, asked.reply); }
void ControlVerbs::answer(const Asked<control::Pause>& asked) { signal(asked.request.node, SIGSTOP, asked.reply); }
void ControlVerbs::answer(const Asked<control::Resume>& asked) { signal(asked.request.node, SIGCONT, asked.reply); }

void ControlVerbs::answer(const Asked<control::ReleaseEntity>& asked) {
  const auto entity = parse_entity(asked.request.entity);
  if (!entity) return asked.reply.fail(AnswerStatus::bad_request, entity.error());
  if (!parts_.release(parts_.fleet.stored_name(asked.request.entity)))
    return asked.reply.fail(AnswerStatus::not_found, fmt::format("{} is not in quarantine.", asked.request.entity));
  finish_with(asked.reply, asked.request);
}

void ControlVerbs::answer(const Asked<control::Drain>& asked) {
  const NodeSlot* slot = find_slot(asked.request.node, asked.reply);
  if (slot == nullptr) return;
  wait_for(
      {.is_done = [slot] { return !slot->is_occupied(); },
       .is_overtaken = [slot] { return slot->is_wanted; },
       .answer = codec::describe_json(control::Drain::Answer{slot->name}),
       .reply = asked.reply,
       .describe_leaving = [slot](const NodeSlot& leaving, std::uint64_t shards) -> std::optional<boost::json::value> {
         if (&leaving != slot) return std::nullopt;
         return codec::describe_json(control::Drain::Answer{leaving.name, shards});
       },
       .asked_at = parts_.host.now()},
      [this, slot] { return parts_.drain(slot->id); });
}

void ControlVerbs::answer(const Asked<control::Scale>& asked) {
  const std::uint64_t count = asked.request.nodes;
  if (count == 0 || count > kNodesMax)
    return asked.reply.fail(AnswerStatus::bad_request,
                            fmt::format("A fabric has from 1 to {} nodes, not {}.", kNodesMax, count));
  wait_for(
      {.is_done =
           [this] {
             return std::ranges::all_of(parts_.fleet.slots(), [](const NodeSlot& slot) {
               return slot.is_wanted ? slot.state == NodeState::ready : !slot.is_occupied();
             });
           },
       .is_overtaken =
           [this, count] {
             const auto slots = std::ranges::count(parts_.fleet.slots(), true, &NodeSlot::is_wanted);
             return static_cast<std::uint64_t>(slots) != count;
           },
       .answer = codec::describe_json(control::Scale::Answer{.nodes = count}),
       .reply = asked.reply,
       .describe_leaving = [count](const NodeSlot& leaving, std::uint64_t shards) -> std::optional<boost::json::value> {
         if (leaving.id.value <= count) return std::nullopt;
         return codec::describe_json(control::Scale::Answer{count, leaving.name, shards});
       },
       .asked_at = parts_.host.now()},
      [this, count] { return parts_.scale(static_cast<std::uint16_t>(count)); });
}

/// It waits before the change is made, which may find nothing to do, or end the fabric: each answers what waits.
void ControlVerbs::wait_for(Waiting one, const Change& change) {
  const ControlReply reply = one.reply;
  waiting_.push_back(std::move(one));
  const auto changed = change();
  if (changed) return;
  waiting_.pop_back();  // nothing has been changed, so it is still the last
  refuse(changed.error(), reply);
}

void ControlVerbs::answer(const Asked<control::Restart>& asked) {
  if (const auto begun = parts_.restart(asked.request, asked.reply); !begun) refuse(begun.error(), asked.reply);
}

void ControlVerbs::on_tick() { trail_verbs_.on_tick(parts_.host.now()); }

void ControlVerbs::advance() {
  std::erase_if(waiting_, [this](Waiting& one) {
    if (!one.reply.is_open()) return true;
    if (parts_.is_restarting()) return false;  // it stops and starts nodes as well, and leaves as many as there were
    if (one.is_overtaken()) {
      one.reply.fail(AnswerStatus::failed, "A later request to drain or scale has replaced this one.");
      return true;
    }
    tell_progress(one);
    if (!one.is_done()) return false;
    one.reply.finish(one.answer);
    return true;
  });
}

/// Only of what takes long, and within the grace: what takes longer is no progress.
void ControlVerbs::tell_progress(Waiting& one) {
  const auto now = parts_.host.now();
  if (now - one.told_at < kProgressEvery || now - one.asked_at > parts_.options.fabric.grace) return;
  one.told_at = now;
  for (const NodeSlot& slot : parts_.fleet.slots()) {
    const std::size_t shards = parts_.shards.count_owned(slot.id);
    if (slot.is_wanted || !slot.process || shards == 0) continue;
    if (auto part = one.describe_leaving(slot, shards)) one.reply.part(*std::move(part));
  }
}

void ControlVerbs::on_node_waiting(const std::string& node) {
  for (const ControlReply& watcher : stop_watchers_)
    send_part(watcher, control::Stop::Answer{.node = node, .event = "waiting", .unsaved = {}});
}

void ControlVerbs::on_node_ended(const std::string& node) {
  for (const ControlReply& watcher : stop_watchers_)
    send_part(watcher, control::Stop::Answer{.node = node, .event = "stopped", .unsaved = {}});
}

void ControlVerbs::on_all_ended(const std::vector<std::string>& unsaved) {
  for (const ControlReply& watcher : stop_watchers_)
    finish_with(watcher, control::Stop::Answer{.node = "supervisor", .event = "stopped", .unsaved = unsaved});
  for (const ControlReply& follower : log_followers_) follower.finish();
  trail_verbs_.end_all();
  for (const Waiting& one : waiting_) one.reply.fail(AnswerStatus::failed, "The fabric has stopped.");
  waiting_.clear();
  stop_watchers_.clear();
  log_followers_.clear();
}

// ---- what nodes answer ----

namespace {

template <class Verb>
control::Repeat repeat_of(const typename Verb::Request& request) {
  if constexpr (requires { request.idempotency_key; })
    if (request.idempotency_key) return control::Repeat::safe;
  return Verb::kVerb.repeat;
}

}  // namespace

/// To the owner of the entity that the request names, with `beside`: members of users' types.
template <class Verb>
void ControlVerbs::forward(Asked<Verb> asked, std::chrono::nanoseconds timeout, const json::object& beside) {
  auto entity = parse_entity(asked.request.entity);
  if (!entity) return asked.reply.fail(AnswerStatus::bad_request, entity.error());
  entity->type = parts_.fleet.stored_name(entity->type);  // which nodes of two module versions know
  asked.request.entity = entity->type + "/" + entity->key;
  json::value body = codec::describe_json(asked.request);
  body.as_object().insert(beside.begin(), beside.end());
  parts_.requests.to_owner(parts_.fleet.placement().shard_of(entity->type, entity->key), std::string(Verb::kVerb.name),
                           protocol::print_json(body), repeat_of<Verb>(asked.request), parts_.host.now() + timeout,
                           [reply = asked.reply](const protocol::Answer& answer) { relay(answer, reply); });
}

/// To all ready nodes, as fast as the answer is read.
template <class Verb>
void ControlVerbs::spread(Asked<Verb> asked, NodeRequests::OnAnswer on_answer) {
  if (!asked.request.type.empty()) asked.request.type = parts_.fleet.stored_name(asked.request.type);
  parts_.requests.to_all(parts_.fleet.list_ready(), std::string(Verb::kVerb.name), codec::describe_text(asked.request),
                         parts_.host.now() + kListTimeout, std::move(on_answer),
                         [reply = asked.reply] { return room_of(reply); });
}

void ControlVerbs::answer(const Asked<control::Inspect>& asked) { forward(asked, kQuestionTimeout); }

void ControlVerbs::answer(Asked<control::Call> asked) {
  if (asked.request.method.empty())
    return asked.reply.fail(AnswerStatus::bad_request, "Say which method to call, in 'method'.");
  const auto* arguments = asked.body.if_contains("args");
  if (arguments != nullptr && !arguments->is_array())
    return asked.reply.fail(AnswerStatus::bad_request, "The arguments, in 'args', are a JSON array.");
  const auto count_max = static_cast<std::uint64_t>(kCallTimeoutMax.count());
  const auto deadline_ms = static_cast<std::uint64_t>(count_ms(parts_.options.fabric.call_deadline));
  const std::uint64_t timeout_ms = std::min(asked.request.timeout_ms.value_or(deadline_ms), count_max);
  asked.request.timeout_ms = timeout_ms;
  json::object beside;
  if (arguments != nullptr) beside["args"] = *arguments;
  forward(std::move(asked), milliseconds(static_cast<std::int64_t>(timeout_ms)) + kCallMargin, beside);
}

void ControlVerbs::answer(const Asked<control::Ls>& asked) {
  // Every node applies the limit, and the total is limited again.
  spread(asked, [reply = asked.reply,
                 left = asked.request.limit.value_or(UINT64_MAX)](const protocol::Answer& answer) mutable {
    if (answer.status == protocol::AnswerStatus::ok && !answer.last && left-- == 0) {
      reply.finish();
      left = 0;
      return;
    }
    relay(answer, reply);
  });
}

void ControlVerbs::answer(const Asked<control::Export>& asked) {
  spread(asked, [reply = asked.reply](const protocol::Answer& answer) { relay(answer, reply); });
}

void ControlVerbs::answer(const Asked<control::Import>& asked) {
  const auto& [mode, shard, lines] = asked.request;
  if (shard >= parts_.options.shard_count)
    return asked.reply.fail(AnswerStatus::bad_request,
                            fmt::format("'shard' is a number below {}.", parts_.options.shard_count));
  const auto repeat = mode == control::Import::Mode::check ? control::Repeat::safe : control::Import::kVerb.repeat;
  parts_.requests.to_owner(kernel::ShardId{static_cast<std::uint32_t>(shard)}, std::string(control::Import::kVerb.name),
                           protocol::print_json(asked.body), repeat, parts_.host.now() + kChangeTimeout,
                           [reply = asked.reply](const protocol::Answer& answer) { relay(answer, reply); });
}

void ControlVerbs::answer(const Asked<control::Events>& asked) { trail_verbs_.events(asked.request, asked.reply); }

void ControlVerbs::answer(const Asked<control::Calls>& asked) { trail_verbs_.calls(asked.request, asked.reply); }

void ControlVerbs::answer(const Asked<control::Outbox>& asked) {
  const auto sum = std::make_shared<control::Outbox::Answer>();  // owned by the callback, which must be copyable
  parts_.requests.to_all(parts_.fleet.list_ready(), std::string(control::Outbox::kVerb.name),
                         codec::describe_text(asked.request), parts_.host.now() + kChangeTimeout,
                         [reply = asked.reply, sum](const protocol::Answer& answer) {
                           if (answer.status != protocol::AnswerStatus::ok) return relay(answer, reply);
                           if (const auto part = codec::read_described_text<control::Outbox::Answer>(answer.body))
                             sum->count += part->count;
                           if (answer.last) finish_with(reply, *sum);
                         });
}

void ControlVerbs::answer(const Asked<control::Types>& asked) {
  const auto joined = std::make_shared<control::Types::Answer>();  // owned by the callback, which must be copyable
  parts_.requests.to_all(
      parts_.fleet.list_ready(), std::string(control::Types::kVerb.name), "{}",
      parts_.host.now() + 2 * kQuestionTimeout, [reply = asked.reply, joined](const protocol::Answer& answer) {
        const bool is_known = !joined->types.empty();  // all nodes know nearly the same
        if (answer.status != protocol::AnswerStatus::ok && !is_known) return relay(answer, reply);
        if (auto part = codec::read_described_text<control::Types::Answer>(answer.body))
          for (control::Types::Type& type : part->types) {
            const auto known = std::ranges::find(joined->types, type.type, &control::Types::Type::type);
            if (known == joined->types.end())
              joined->types.push_back(std::move(type));
            else if (known->counters && type.counters)
              *known->counters += *type.counters;
          }
        if (answer.last) finish_with(reply, *joined);
      });
}

}  // namespace epic::cluster
