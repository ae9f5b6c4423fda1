#include "cluster/supervisor/restart_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codec/described_json.hpp"
#include "reflect/try.hpp"

namespace epic::cluster {

using kernel::NodeId;
namespace json = boost::json;

std::vector<NodeId> RestartRunner::list_wanted() const {
  std::vector<NodeId> wanted;
  for (const NodeSlot& slot : parts_.fleet.slots())
    if (slot.is_wanted) wanted.push_back(slot.id);
  return wanted;
}

/// For the extra node, which is forgotten at the end.
NodeId RestartRunner::find_free_above(NodeId node) const {
  const auto is_taken = [this](NodeId one) {
    const NodeSlot* const slot = parts_.fleet.find(one);
    return slot != nullptr && !slot->is_free();
  };
  do node = node.next();
  while (is_taken(node));
  return node;
}

std::optional<SupervisorError> RestartRunner::find_obstacle() const {
  if (run_)
    return SupervisorError{
        fmt::format("A restart is under way: {} of {} nodes run the new module. Wait until it is done, or stop all "
                    "nodes with 'epic stop'.",
                    run_->plan.renewed(), run_->plan.count()),
        {},
        {}};
  for (const NodeSlot& slot : parts_.fleet.slots())
    if (!slot.is_wanted && slot.is_occupied())
      return SupervisorError{
          fmt::format("{} is being removed: restart when 'epic ps' shows that it has stopped.", slot.name), {}, {}};
  if (list_wanted().empty())
    return SupervisorError{"There is no node to restart: each was drained, or has gone with its machine.",
                           "Start nodes with 'epic scale', or let another machine join with 'epic run --join'.",
                           {}};
  return std::nullopt;
}

std::expected<void, SupervisorError> RestartRunner::begin(RestartWay way, std::optional<ModuleCopy> next,
                                                          ControlReply reply) {
  if (auto obstacle = find_obstacle()) return std::unexpected(*std::move(obstacle));
  std::vector<NodeId> members = list_wanted();
  const NodeId extra = find_free_above(members.back());
  auto copied = next ? parts_.modules.number(*std::move(next)) : EPIC_TRY(parts_.modules.take());
  parts_.say(fmt::format("Restarting {} with generation {} of the module.",
                         way == RestartWay::rolling ? "one node at a time" : "all nodes at once", copied.generation));
  run_.emplace(Run{.plan = Restart(way, copied.generation, std::move(members), extra),
                   .former = parts_.fleet.module(),
                   .next = std::move(copied),
                   .reply = std::move(reply),
                   .error = {},
                   .begun_at = parts_.host.now()});
  advance();
  return {};
}

void RestartRunner::go_on() {
  const ModuleCopy& newest = parts_.fleet.module();
  std::vector<NodeId> members = list_wanted();
  if (members.empty()) return;
  const bool has_new = std::ranges::any_of(
      members, [&](NodeId node) { return parts_.fleet.find(node)->module.generation == newest.generation; });
  parts_.say(fmt::format("The restart that the former leader had begun goes on, with generation {} of the module.",
                         newest.generation));
  const NodeId extra = find_free_above(members.back());
  run_.emplace(Run{.plan = has_new ? Restart::go_on(newest.generation, std::move(members))
                                   : Restart(RestartWay::rolling, newest.generation, std::move(members), extra),
                   .former = newest,
                   .next = newest,
                   .reply = ControlReply({}, 0),
                   .error = {},
                   .begun_at = parts_.host.now()});
  advance();
}

bool RestartRunner::includes(NodeId node) const {
  return run_ && std::ranges::find(run_->plan.nodes(), node) != run_->plan.nodes().end();
}

std::vector<Restart::Node> RestartRunner::list_nodes() const {
  std::vector<Restart::Node> nodes;
  for (const NodeSlot& slot : parts_.fleet.slots())
    nodes.push_back({.id = slot.id,
                     .generation = slot.module.generation,
                     .has_process = slot.is_occupied(),
                     .is_ready = slot.state == NodeState::ready,
                     .is_wanted = slot.is_wanted,
                     .has_machine = parts_.fleet.has_machine(slot)});
  return nodes;
}

void RestartRunner::advance() {
  if (!run_) return;
  announce();
  tell_waiting();
  const bool was_given_up = run_->plan.is_given_up();
  for (const Restart::Order& order : run_->plan.step(list_nodes())) {
    carry_out(order);
    if (!run_) return;  // a node could not be started with either copy, and the fabric has ended
    if (run_->plan.is_given_up() != was_given_up) break;  // the rest is for the new copy
  }
  if (run_->plan.is_done()) finish();
}

void RestartRunner::carry_out(const Restart::Order& order) {
  using Kind = Restart::Order::Kind;
  Fleet& fleet = parts_.fleet;
  switch (order.kind) {
    case Kind::try_new:
      tell(order.node, "starting", run_->next);
      return fleet.try_module(order.node, run_->next);
    case Kind::prepare:
      return fleet.prepare(order.node);
    case Kind::drain: {
      tell(order.node, "draining", fleet.find(order.node)->module);
      return parts_.departures.leave(order.node, Afterwards::listed, run_->announced_at.value_or(parts_.host.now()));
    }
    case Kind::stop:
      if (parts_.shards.is_open()) parts_.shards.close();
      tell(order.node, "stopping", fleet.find(order.node)->module);
      fleet.unwant(order.node, Afterwards::listed);
      return fleet.stop_unwanted(order.node, parts_.options.fabric.grace);
    case Kind::begin_new:
      return fleet.begin_again(run_->next);
    case Kind::begin_old:
      return fleet.begin_again(run_->former);
    case Kind::start:
      tell(order.node, "starting", fleet.module());
      parts_.shards.stop_draining(order.node);
      return fleet.want(order.node);
    case Kind::forget:
      return fleet.unwant(order.node, Afterwards::forgotten);
    case Kind::tell_ready:
      return tell(order.node, "ready", fleet.find(order.node)->module);
    case Kind::tell_stopped:
      return tell(order.node, "stopped", fleet.find(order.node)->module);
  }
}

void RestartRunner::tell_waiting() {
  const auto now = parts_.host.now();
  if (now - run_->told_at < kProgressEvery || !parts_.shards.has_move_since(now - kProgressEvery)) return;
  run_->told_at = now;
  for (const NodeSlot& slot : parts_.fleet.slots())
    if (const std::size_t shards = parts_.shards.count_owned(slot.id); !slot.is_wanted && slot.process && shards > 0)
      say({.node = slot.name,
           .event = "waiting",
           .generation = slot.module.generation.value,
           .why = fmt::format("calls or on_deactivate run in {} of its shards", shards),
           .took_ms = {}});
}

void RestartRunner::announce() {
  if (run_->announced_at || !run_->plan.is_renewing()) return;
  if (!parts_.shards.has_move_since(parts_.host.now() - kAnnounceAfter)) return;
  run_->announced_at = parts_.host.now();
  for (const NodeSlot& slot : parts_.fleet.slots())
    if (slot.is_wanted && slot.module.generation != run_->plan.next())
      parts_.fleet.send(slot.id, protocol::AnnounceStop{});
}

void RestartRunner::say(const protocol::control::Restart::Answer& event) const {
  run_->reply.part(codec::describe_json(event));
}

void RestartRunner::tell(NodeId node, std::string_view event, const ModuleCopy& module) const {
  say({.node = fmt::format("node-{}", node),
       .event = std::string(event),
       .generation = module.generation.value,
       .why = {},
       .took_ms = {}});
}

void RestartRunner::tell_death(const NodeSlot& slot) const {
  if (!run_ || slot.trial) return;
  say({.node = slot.name,
       .event = "died",
       .generation = slot.module.generation.value,
       .why = slot.last_exit->text(),
       .took_ms = {}});
}

bool RestartRunner::try_give_up(SupervisorError error) {
  if (!run_ || !run_->plan.try_give_up()) return false;
  parts_.say(fmt::format("The new module cannot be used: {}", error.message));
  run_->error = std::move(error);
  if (run_->plan.way() == RestartWay::rolling)
    for (const NodeSlot& slot : parts_.fleet.slots())
      if (slot.trial) parts_.fleet.unwant(slot.id, Afterwards::forgotten);
  return true;
}

void RestartRunner::finish() {
  const Run run = *std::exchange(run_, std::nullopt);
  parts_.fleet.drop_spares();  // of a node that was started again for another reason
  const ModuleCopy& kept = run.error ? run.former : run.next;
  parts_.modules.remove_all_but(kept.generation);
  parts_.say(fmt::format("The restart is complete: all nodes run generation {} of the module.", kept.generation));
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(parts_.host.now() - run.begun_at);
  if (!run.error)
    return run.reply.finish(codec::describe_json(protocol::control::Restart::Answer{.node = "supervisor",
                                                                                    .event = "restarted",
                                                                                    .generation = kept.generation.value,
                                                                                    .why = {},
                                                                                    .took_ms = took.count()}));
  const std::string_view state = run.plan.way() == RestartWay::rolling ? "keep running" : "are running";
  run.reply.fail(
      AnswerStatus::failed,
      fmt::format("The new module cannot be used, and the nodes {} the previous one. {}", state, run.error->message),
      protocol::control::FailureDetail{.hint = run.error->hint, .log = run.error->log.string()});
}

void RestartRunner::abandon(const std::optional<SupervisorError>& error) {
  if (run_ && error)
    run_->reply.fail(AnswerStatus::failed, fmt::format("The fabric has stopped. {}", error->message),
                     protocol::control::FailureDetail{.hint = error->hint, .log = error->log.string()});
  else if (run_)
    run_->reply.fail(AnswerStatus::failed, "The fabric has stopped.");
  run_.reset();
}

}  // namespace epic::cluster
