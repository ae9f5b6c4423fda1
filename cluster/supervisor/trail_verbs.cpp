#include "cluster/supervisor/trail_verbs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "cluster/supervisor/call_forest.hpp"
#include "codec/described_json.hpp"
#include "kernel/placement.hpp"
#include "protocol/json.hpp"

namespace epic::cluster {

namespace control = protocol::control;

namespace {

/// Why the name is invalid; empty if it is valid or empty.
std::string find_fault(const std::string& entity) {
  if (entity.empty() || (entity.find('/') != std::string::npos && !entity.starts_with('/'))) return {};
  return fmt::format("'{}' is not a valid entity name: it is written Type/Key.", entity);
}

control::Events::Answer describe_silence(const std::string& node, FabricTrail::Time now) {
  control::Events::Answer event;
  event.time = protocol::format_time(now);
  event.node = node;
  event.what = "silent";
  event.why = fmt::format("{} did not answer within {:.1f} s; its events are not shown", node,
                          std::chrono::duration<double>(TrailVerbs::kTimeout).count());
  return event;
}

}  // namespace

/// Sends the request to all nodes that can answer it.
template <class Verb>
void TrailVerbs::gather(const typename Verb::Request& request, std::function<void(Gathered<Verb>)> on_gathered) {
  std::vector<kernel::NodeId> asked;
  std::set<std::string> silent;
  for (const NodeSlot& slot : fleet_.slots()) {
    if (slot.state != NodeState::ready) continue;
    silent.insert(slot.name);
    if (!slot.is_paused) asked.push_back(slot.id);
  }
  if (asked.empty()) return on_gathered({.answers = {}, .silent = {silent.begin(), silent.end()}});
  struct State {
    Gathered<Verb> gathered;
    std::set<std::string> silent;
  };
  const auto state = std::make_shared<State>();  // owned by the callback, because a std::function must be copyable
  state->silent = std::move(silent);
  requests_.to_all(asked, std::string(Verb::kVerb.name), codec::describe_text(request), host_.now() + kTimeout,
                   [state, on_gathered = std::move(on_gathered)](const protocol::Answer& answer) {
                     if (answer.status == protocol::AnswerStatus::ok && !answer.body.empty()) {
                       if (auto part = codec::read_described_text<typename Verb::NodeAnswer>(answer.body)) {
                         state->silent.erase(part->node);
                         state->gathered.answers.push_back(*std::move(part));
                       }
                     }
                     if (!answer.last) return;
                     state->gathered.silent.assign(state->silent.begin(), state->silent.end());
                     on_gathered(std::move(state->gathered));
                   });
}

// ---- events ----

void TrailVerbs::events(control::Events::Request request, const ControlReply& reply) {
  if (const std::string fault = find_fault(request.entity); !fault.empty())
    return reply.fail(AnswerStatus::bad_request, fault);
  request.limit = std::min(request.limit.value_or(kEventsMax), kEventsMax);
  const auto watch = std::make_shared<Watch>(Watch{.request = std::move(request), .reply = reply});
  if (watch->request.follow) {
    if (followers_.size() >= kFollowersMax)
      return reply.fail(AnswerStatus::failed,
                        fmt::format("{} clients already follow the events, which is the limit.", followers_.size()));
    followers_.push_back(watch);
  }
  ask_events(watch);
}

void TrailVerbs::on_tick(std::chrono::steady_clock::time_point now) {
  std::erase_if(followers_, [](const auto& watch) { return !watch->reply.is_open(); });
  for (const auto& watch : followers_)
    if (!watch->is_asking && watch->ask_at <= now) ask_events(watch);
}

void TrailVerbs::end_all() {
  for (const auto& watch : followers_) watch->reply.finish();
  followers_.clear();
}

void TrailVerbs::ask_events(const std::shared_ptr<Watch>& watch) {
  watch->is_asking = true;
  gather<control::Events>(watch->request, [this, watch](Gathered<control::Events> gathered) {
    watch->is_asking = false;
    watch->ask_at = host_.now() + kFollowEvery;
    send_events(*watch, std::move(gathered));
    if (!watch->request.follow) watch->reply.finish();
  });
}

/// In order of time; the newest if there are more than requested.
void TrailVerbs::send_events(Watch& watch, Gathered<control::Events> gathered) const {
  control::Events::Request& request = watch.request;
  std::multimap<std::int64_t, control::Events::Answer> events;  // by time; equal times keep their order
  const auto add = [&events](control::Events::Timed timed) { events.emplace(timed.wall_ns, std::move(timed.event)); };
  if (request.type.empty()) {
    const std::string entity = fleet_.stored_name(request.entity);
    const auto shard = entity.empty() ? std::nullopt : std::optional(fleet_.placement().shard_of(entity));
    std::ranges::for_each(trail_.list(watch.seen, shard, entity), add);
    watch.seen = trail_.newest();
  }
  for (control::Events::NodeAnswer& answer : gathered.answers) {
    for (control::Events::Timed& timed : answer.events) add(std::move(timed));
    request.after[answer.node] = answer.cursor;
  }
  std::size_t surplus = events.size() - std::min<std::size_t>(events.size(), *request.limit);
  for (const auto& [time, event] : events)
    if (surplus == 0)
      watch.reply.part(codec::describe_json(event));
    else
      --surplus;
  for (const std::string& node : gathered.silent)
    if (std::ranges::find(watch.silent, node) == watch.silent.end())
      watch.reply.part(codec::describe_json(describe_silence(node, host_.wall_now())));
  watch.silent = std::move(gathered.silent);
  request.limit = kEventsMax;  // from now on, none is left out
}

// ---- calls ----

void TrailVerbs::calls(const control::Calls::Request& request, const ControlReply& reply) {
  if (const std::string fault = find_fault(request.entity); !fault.empty())
    return reply.fail(AnswerStatus::bad_request, fault);
  CallFilter filter{
      .entity = fleet_.stored_name(request.entity),
      .type_prefix = request.type.empty() ? "" : fleet_.stored_name(request.type) + "/",
      .age_ms_min = static_cast<std::int64_t>(std::min<std::uint64_t>(request.older_than_ms.value_or(0), INT64_MAX)),
      .stored_name = [this](const std::string& entity) { return fleet_.stored_name(entity); }};
  gather<control::Calls>(request, [reply, filter](Gathered<control::Calls> gathered) {
    control::Calls::Answer answer{
        .calls = join_calls(gathered.answers, filter), .left_off = 0, .silent = std::move(gathered.silent)};
    for (const control::Calls::NodeAnswer& one : gathered.answers) answer.left_off += one.left_off;
    reply.finish(codec::describe_json(answer));
  });
}

}  // namespace epic::cluster
