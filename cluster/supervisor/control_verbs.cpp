#include "cluster/supervisor/control_verbs.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>

#include "kernel/limits.hpp"
#include "kernel/placement_hash.hpp"
#include "protocol/json.hpp"

namespace epic::cluster {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kQuestionPatience{10};
/// A reader may take its time (`epic ls | less`); a node that hangs is found out by its silence.
constexpr std::chrono::hours kListPatience{24};
/// Waits for calls that run, for the disk, and for a shard that moves.
constexpr std::chrono::seconds kImportPatience{60};
/// The node ends a call at its deadline, with a better message; this is for when it does not.
constexpr std::chrono::seconds kCallMargin{2};
constexpr std::uint64_t kNodesMax = 64;
constexpr milliseconds kCallPatienceMax{std::chrono::hours(24)};

std::int64_t count_ms(std::chrono::nanoseconds duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

std::string text_at(const json::object& body, std::string_view field) {
  const auto* value = body.if_contains(field);
  return value && value->is_string() ? std::string(std::string_view(value->get_string())) : std::string();
}

/// A whole number of at least 0; `otherwise` when the field is not there or is null.
std::expected<std::uint64_t, std::string> count_at(const json::object& body, std::string_view field,
                                                   std::uint64_t otherwise) {
  const auto* value = body.if_contains(field);
  if (value == nullptr || value->is_null()) return otherwise;
  if (value->is_uint64()) return value->get_uint64();
  if (value->is_int64() && value->get_int64() >= 0) return static_cast<std::uint64_t>(value->get_int64());
  return std::unexpected(
      fmt::format("'{}' is a whole number of at least 0, not {}.", field, protocol::print_json(*value)));
}

struct EntityName {
  std::string type;
  std::string key;
};

std::expected<EntityName, std::string> parse_entity(const json::object& body) {
  const std::string name = text_at(body, "entity");
  const auto slash = name.find('/');
  if (slash == std::string::npos || slash == 0)
    return std::unexpected(fmt::format("'{}' is no entity's name: it is written Type/Key.", name));
  if (slash > kernel::limits::kTypeNameBytesMax || name.size() - slash - 1 > kernel::limits::kKeyBytesMax)
    return std::unexpected(fmt::format("The name of the entity is too long: a type has at most {} bytes and a key {}.",
                                       kernel::limits::kTypeNameBytesMax, kernel::limits::kKeyBytesMax));
  return EntityName{name.substr(0, slash), name.substr(slash + 1)};
}

ControlStatus status_of(wire::AnswerStatus status) {
  switch (status) {
    case wire::AnswerStatus::ok:
      return ControlStatus::ok;
    case wire::AnswerStatus::not_found:
      return ControlStatus::not_found;
    case wire::AnswerStatus::bad_request:
      return ControlStatus::bad_request;
    case wire::AnswerStatus::failed:
    case wire::AnswerStatus::not_owner:
      return ControlStatus::failed;
  }
  return ControlStatus::failed;
}

void refuse(const SupervisorError& error, const ControlReply& reply) {
  reply.fail(ControlStatus::failed, error.message,
             error.hint.empty() ? json::value(nullptr) : json::value(json::object{{"hint", error.hint}}));
}

/// Passes a node's answer on.
void relay(const wire::Answer& answer, const ControlReply& reply) {
  if (answer.status != wire::AnswerStatus::ok)
    reply.fail_with(status_of(answer.status), answer.body);
  else if (answer.last)
    reply.finish(answer.body);
  else
    reply.part(answer.body);
}

NodeRequests::Room room_of(const ControlReply& reply) {
  if (!reply.is_open()) return NodeRequests::Room::nobody_reads;
  return reply.has_room() ? NodeRequests::Room::yes : NodeRequests::Room::not_yet;
}

json::object to_json(const wire::LogLine& line) {
  return {{"time", wire::format_time(line.time)},
          {"node", line.source},
          {"level", wire::to_string(line.level)},
          {"entity", line.entity.empty() ? json::value(nullptr) : json::value(line.entity)},
          {"message", line.message}};
}

}  // namespace

ControlVerbs::ControlVerbs(ControlVerbsParts parts)
    : parts_(std::move(parts)), trail_verbs_(parts_.fleet, parts_.requests, parts_.trail, parts_.options.shard_count) {}

void ControlVerbs::handle(const ControlRequest& request, ControlReply reply) {
  static constexpr std::array<std::pair<std::string_view, Verb>, 19> kVerbs = {
      {{"ping", &ControlVerbs::ping},
       {"ps", &ControlVerbs::ps},
       {"nodes", &ControlVerbs::nodes},
       {"logs", &ControlVerbs::logs},
       {"stop", &ControlVerbs::stop},
       {"kill", &ControlVerbs::kill},
       {"pause", &ControlVerbs::pause},
       {"resume", &ControlVerbs::resume},
       {"drain", &ControlVerbs::drain},
       {"scale", &ControlVerbs::scale},
       {"restart", &ControlVerbs::restart},
       {"inspect", &ControlVerbs::inspect},
       {"call", &ControlVerbs::call},
       {"ls", &ControlVerbs::ls},
       {"export", &ControlVerbs::export_states},
       {"import", &ControlVerbs::import_states},
       {"types", &ControlVerbs::types},
       {"events", &ControlVerbs::events},
       {"calls", &ControlVerbs::calls}}};
  const auto verb = std::ranges::find(kVerbs, request.verb, &std::pair<std::string_view, Verb>::first);
  if (verb == kVerbs.end())
    return reply.fail(ControlStatus::bad_request,
                      fmt::format("The fabric runs epic {}, which does not know the request '{}'.",
                                  parts_.options.version, request.verb));
  const auto body = protocol::parse_json(request.body);
  if (!body || !body->is_object())
    return reply.fail(ControlStatus::bad_request, fmt::format("The body of '{}' must be a JSON object.", request.verb));
  (this->*verb->second)(body->get_object(), std::move(reply));
}

void ControlVerbs::ping(const Body&, ControlReply reply) {
  reply.finish(json::object{{"version", parts_.options.version},
                            {"pid", ::getpid()},
                            {"project", parts_.options.project_name},
                            {"directory", parts_.options.project_directory.string()},
                            {"module", parts_.options.module_path.string()},
                            {"module_copy", parts_.fleet.module().path.string()},
                            {"generation", parts_.fleet.module().generation.value},
                            {"fabric", parts_.fleet.fabric_id()},
                            {"nodes", std::ranges::count(parts_.fleet.slots(), true, &NodeSlot::is_wanted)},
                            {"shards", parts_.options.shard_count},
                            {"logs", parts_.logs.directory().string()},
                            {"started_at", wire::format_time(started_time_)}});
}

void ControlVerbs::ps(const Body&, ControlReply reply) {
  const auto now = steady_clock::now();
  json::array nodes;
  for (const NodeSlot& slot : parts_.fleet.slots()) {
    const bool is_alive = slot.process != nullptr;
    if (!is_alive && !slot.is_listed) continue;
    nodes.push_back(
        json::object{{"node", slot.name},
                     {"pid", is_alive ? json::value(slot.process->pid()) : json::value(nullptr)},
                     {"state", describe_state(slot)},
                     {"shards", parts_.shards.count_owned(slot.id)},
                     {"entities", slot.heartbeat.entities},
                     {"calls", slot.heartbeat.calls_in_flight},
                     {"restarts", slot.restarts},
                     {"resident_bytes", slot.heartbeat.resident_bytes},
                     {"entity_bytes", slot.heartbeat.entity_bytes},
                     {"commits", slot.heartbeat.commits},
                     {"rows", slot.heartbeat.rows},
                     {"uptime_ms", is_alive ? count_ms(now - slot.started_at) : 0},
                     {"generation", slot.module.generation.value},
                     {"built_at", wire::format_time(slot.module.built_at)},
                     {"last_exit", slot.last_exit.empty() ? json::value(nullptr) : json::value(slot.last_exit)},
                     {"store", nullptr},
                     {"store_reason", nullptr},
                     {"store_blocked_ms", nullptr}});
    if (!is_alive) continue;
    json::object& node = nodes.back().as_object();
    const wire::Heartbeat& beat = slot.heartbeat;
    node["store"] = beat.store_blocked.empty() ? "ok" : "blocked";
    if (beat.store_blocked.empty()) continue;
    node["store_reason"] = beat.store_blocked;
    node["store_blocked_ms"] = count_ms(beat.store_blocked_for);
  }
  reply.finish(
      json::object{{"nodes", std::move(nodes)},
                   {"supervisor", json::object{{"pid", ::getpid()}, {"uptime_ms", count_ms(now - started_at_)}}},
                   {"setup", to_string(parts_.setup.state())}});
}

void ControlVerbs::nodes(const Body&, ControlReply reply) {
  json::array nodes;
  for (const NodeSlot& slot : parts_.fleet.slots())
    if (slot.state == NodeState::ready)
      nodes.push_back(json::object{{"node", slot.name},
                                   {"socket", slot.socket.string()},
                                   {"pid", slot.process->pid()},
                                   {"incarnation", slot.incarnation.value}});
  json::array owners;
  for (const kernel::NodeId owner : parts_.shards.map().owners) owners.push_back(owner.value);
  reply.finish(json::object{
      {"fabric", parts_.fleet.fabric_id()},
      {"shards", parts_.options.shard_count},
      {"nodes", std::move(nodes)},
      {"map", json::object{{"version", parts_.shards.map().version.value}, {"owners", std::move(owners)}}}});
}

void ControlVerbs::logs(const Body& body, ControlReply reply) {
  const std::string node = text_at(body, "node");
  if (!node.empty() && node != "supervisor" && find_slot(body, reply) == nullptr) return;
  const auto tail = count_at(body, "tail", LogHub::kRecentLinesMax);
  if (!tail) return reply.fail(ControlStatus::bad_request, tail.error());

  for (const wire::LogLine& line : parts_.logs.list_recent(node, *tail)) reply.part(to_json(line));
  const auto* follow = body.if_contains("follow");
  if (follow == nullptr || !follow->is_bool() || !follow->get_bool()) return reply.finish();

  log_followers_.push_back(reply);
  const auto id = std::make_shared<std::uint64_t>(0);  // shared with the follower, who learns it only afterwards
  *id = parts_.logs.follow([this, node, reply, id](const wire::LogLine& line) {
    if (!reply.is_open()) {
      parts_.logs.unfollow(*id);
    } else if (node.empty() || line.source == node) {
      reply.part(to_json(line));
    }
  });
  std::erase_if(log_followers_, [](const ControlReply& follower) { return !follower.is_open(); });
}

void ControlVerbs::stop(const Body&, ControlReply reply) {
  reply.part(json::object{{"node", "supervisor"}, {"event", "stopping"}});
  stop_watchers_.push_back(std::move(reply));
  parts_.stop("asked to by 'epic stop'");
}

/// The slot that 'node' names; null, and the reply has failed, when there is none.
const NodeSlot* ControlVerbs::find_slot(const Body& body, const ControlReply& reply) const {
  const std::string node = text_at(body, "node");
  const NodeSlot* last = nullptr;
  for (const NodeSlot& slot : parts_.fleet.slots()) {
    if (!slot.process && !slot.is_listed) continue;
    if (slot.name == node) return &slot;
    last = &slot;
  }
  reply.fail(ControlStatus::not_found,
             fmt::format("There is no node '{}': the nodes are node-1 to {}.", node, last->name));
  return nullptr;
}

void ControlVerbs::signal(const Body& body, int number, const ControlReply& reply) {
  const NodeSlot* slot = find_slot(body, reply);
  if (slot == nullptr) return;
  const auto pid = parts_.fleet.signal(slot->id, number);
  if (!pid) return reply.fail(ControlStatus::failed, pid.error());
  reply.finish(json::object{{"node", slot->name}, {"pid", *pid}});
}

void ControlVerbs::kill(const Body& body, ControlReply reply) { signal(body, SIGKILL, reply); }
void ControlVerbs::pause(const Body& body, ControlReply reply) { signal(body, SIGSTOP, reply); }
void ControlVerbs::resume(const Body& body, ControlReply reply) { signal(body, SIGCONT, reply); }

void ControlVerbs::drain(const Body& body, ControlReply reply) {
  const NodeSlot* slot = find_slot(body, reply);
  if (slot == nullptr) return;
  if (const auto done = parts_.drain(slot->id); !done) return refuse(done.error(), reply);
  waiting_.push_back({.is_done = [slot] { return slot->process == nullptr; },
                      .is_overtaken = [slot] { return slot->is_wanted; },
                      .answer = {{"node", slot->name}},
                      .reply = std::move(reply)});
}

void ControlVerbs::scale(const Body& body, ControlReply reply) {
  const auto count = count_at(body, "nodes", 0);
  if (!count) return reply.fail(ControlStatus::bad_request, count.error());
  if (*count == 0 || *count > kNodesMax)
    return reply.fail(ControlStatus::bad_request,
                      fmt::format("A fabric has from 1 to {} nodes, not {}.", kNodesMax, *count));
  if (const auto done = parts_.scale(static_cast<std::uint16_t>(*count)); !done) return refuse(done.error(), reply);
  waiting_.push_back({.is_done =
                          [this] {
                            return std::ranges::all_of(parts_.fleet.slots(), [](const NodeSlot& slot) {
                              return slot.is_wanted ? slot.state == NodeState::ready : slot.process == nullptr;
                            });
                          },
                      .is_overtaken =
                          [this, wanted = *count] {
                            const auto slots = std::ranges::count(parts_.fleet.slots(), true, &NodeSlot::is_wanted);
                            return static_cast<std::uint64_t>(slots) != wanted;
                          },
                      .answer = {{"nodes", *count}},
                      .reply = std::move(reply)});
}

void ControlVerbs::restart(const Body& body, ControlReply reply) {
  const auto* rolling = body.if_contains("rolling");
  if (rolling != nullptr && !rolling->is_bool())
    return reply.fail(ControlStatus::bad_request, "'rolling' is true or false.");
  const auto way = rolling != nullptr && rolling->get_bool() ? RestartWay::rolling : RestartWay::at_once;
  if (const auto begun = parts_.restart(way, reply); !begun) refuse(begun.error(), reply);
}

void ControlVerbs::on_tick() {
  trail_verbs_.on_tick(steady_clock::now());
  std::erase_if(waiting_, [](const Waiting& one) {
    if (!one.reply.is_open()) return true;
    if (one.is_overtaken()) {
      one.reply.fail(ControlStatus::failed, "Another request to drain or scale has overtaken this one.");
      return true;
    }
    if (!one.is_done()) return false;
    one.reply.finish(one.answer);
    return true;
  });
}

void ControlVerbs::on_node_ended(const std::string& node) {
  for (const ControlReply& watcher : stop_watchers_) watcher.part(json::object{{"node", node}, {"event", "stopped"}});
}

void ControlVerbs::on_all_ended(const std::vector<std::string>& unsaved) {
  for (const ControlReply& watcher : stop_watchers_)
    watcher.finish(json::object{
        {"node", "supervisor"}, {"event", "stopped"}, {"unsaved", json::array(unsaved.begin(), unsaved.end())}});
  for (const ControlReply& follower : log_followers_) follower.finish();
  trail_verbs_.end_all();
  for (const Waiting& one : waiting_) one.reply.fail(ControlStatus::failed, "The fabric has stopped.");
  waiting_.clear();
  stop_watchers_.clear();
  log_followers_.clear();
}

void ControlVerbs::inspect(const Body& body, ControlReply reply) {
  forward("inspect", body, Repeat::safe, kQuestionPatience, std::move(reply));
}

void ControlVerbs::call(const Body& body, ControlReply reply) {
  if (text_at(body, "method").empty())
    return reply.fail(ControlStatus::bad_request, "Say which method to call, in 'method'.");
  if (const auto* arguments = body.if_contains("args"); arguments && !arguments->is_array())
    return reply.fail(ControlStatus::bad_request, "The arguments, in 'args', are a JSON array.");
  const auto timeout_ms =
      count_at(body, "timeout_ms", static_cast<std::uint64_t>(count_ms(parts_.options.fabric.call_deadline)));
  if (!timeout_ms) return reply.fail(ControlStatus::bad_request, timeout_ms.error());
  const milliseconds timeout{static_cast<std::int64_t>(
      std::min<std::uint64_t>(*timeout_ms, static_cast<std::uint64_t>(kCallPatienceMax.count())))};
  Body asked = body;
  asked["timeout_ms"] = timeout.count();
  forward("call", asked, Repeat::unsafe, timeout + kCallMargin, std::move(reply));
}

void ControlVerbs::forward(std::string_view verb, const Body& body, Repeat repeat, std::chrono::nanoseconds patience,
                           ControlReply reply) {
  auto entity = parse_entity(body);
  if (!entity) return reply.fail(ControlStatus::bad_request, entity.error());
  entity->type = parts_.fleet.stored_name(entity->type);
  Body asked = body;  // by the stored name, which nodes of two module versions know
  asked["entity"] = entity->type + "/" + entity->key;
  parts_.requests.to_owner(kernel::shard_of(entity->type, entity->key, parts_.options.shard_count), std::string(verb),
                           protocol::print_json(asked), repeat, steady_clock::now() + patience,
                           [reply](const wire::Answer& answer) { relay(answer, reply); });
}

void ControlVerbs::ls(const Body& body, ControlReply reply) {
  const auto limit = count_at(body, "limit", UINT64_MAX);
  if (!limit) return reply.fail(ControlStatus::bad_request, limit.error());
  Body asked = body;
  if (const std::string type = text_at(body, "type"); !type.empty()) asked["type"] = parts_.fleet.stored_name(type);
  // Every node keeps to the limit, and of what they bring together only so much is passed on.
  parts_.requests.to_all(
      parts_.fleet.list_ready(), "ls", protocol::print_json(asked), steady_clock::now() + kListPatience,
      [reply, left = *limit](const wire::Answer& answer) mutable {
        if (answer.status == wire::AnswerStatus::ok && !answer.last && left-- == 0) {
          reply.finish();
          left = 0;
          return;
        }
        relay(answer, reply);
      },
      [reply] { return room_of(reply); });
}

void ControlVerbs::export_states(const Body& body, ControlReply reply) {
  Body asked = body;
  if (const std::string type = text_at(body, "type"); !type.empty()) asked["type"] = parts_.fleet.stored_name(type);
  parts_.requests.to_all(
      parts_.fleet.list_ready(), "export", protocol::print_json(asked), steady_clock::now() + kListPatience,
      [reply](const wire::Answer& answer) { relay(answer, reply); }, [reply] { return room_of(reply); });
}

void ControlVerbs::import_states(const Body& body, ControlReply reply) {
  const auto shard = count_at(body, "shard", UINT64_MAX);
  if (!shard || *shard >= parts_.options.shard_count)
    return reply.fail(ControlStatus::bad_request,
                      fmt::format("'shard' is a number below {}.", parts_.options.shard_count));
  // What a node has done before it died over it must not be done again: somebody may have changed it since.
  const Repeat repeat = text_at(body, "mode") == "check" ? Repeat::safe : Repeat::unsafe;
  parts_.requests.to_owner(kernel::ShardId{static_cast<std::uint16_t>(*shard)}, "import", protocol::print_json(body),
                           repeat, steady_clock::now() + kImportPatience,
                           [reply](const wire::Answer& answer) { relay(answer, reply); });
}

void ControlVerbs::events(const Body& body, ControlReply reply) { trail_verbs_.events(body, reply); }
void ControlVerbs::calls(const Body& body, ControlReply reply) { trail_verbs_.calls(body, reply); }

void ControlVerbs::types(const Body& body, ControlReply reply) {
  struct Merged {
    json::array types;
    std::set<std::string> names;
  };
  const auto merged = std::make_shared<Merged>();  // owned by the callback, which a std::function must be able to copy
  parts_.requests.to_all(parts_.fleet.list_ready(), "types", protocol::print_json(body),
                         steady_clock::now() + kQuestionPatience, [reply, merged](const wire::Answer& answer) {
                           if (answer.status != wire::AnswerStatus::ok) return relay(answer, reply);
                           const auto part = protocol::parse_json(answer.body);
                           const auto* types =
                               !part || !part->is_object() ? nullptr : part->get_object().if_contains("types");
                           if (types && types->is_array())
                             for (const auto& type : types->get_array())
                               if (type.is_object() && merged->names.insert(text_at(type.get_object(), "type")).second)
                                 merged->types.push_back(type);
                           if (answer.last) reply.finish(json::object{{"types", merged->types}});
                         });
}

}  // namespace epic::cluster
