#include "cluster/supervisor/node_requests.hpp"

#include <fmt/format.h>

#include <utility>

#include "codec/described_json.hpp"
#include "protocol/control_verb.hpp"

namespace epic::cluster {

using kernel::NodeId;
using protocol::Answer;
using protocol::AnswerStatus;

Answer make_failure(AnswerStatus status, std::string_view message, std::string_view error) {
  protocol::control::FailureBody body{std::string(message)};
  if (!error.empty()) body.detail = {.error = std::string(error)};
  return {.id = 0, .status = status, .body = codec::describe_text(body), .last = true};
}

namespace {

/// "node-2 did not answer …".
Answer describe_silence(const std::vector<NodeId>& nodes) {
  std::string names;
  for (const NodeId node : nodes) names += fmt::format("{}node-{}", names.empty() ? "" : ", ", node);
  return make_failure(
      AnswerStatus::failed,
      fmt::format("{} did not answer within {:.1f} s: is a turn taking long, or the process stopped? Its "
                  "part is missing.",
                  names, std::chrono::duration<double>(NodeRequests::kSilenceMax).count()),
      "timeout");
}

}  // namespace

void NodeRequests::to_owner(kernel::ShardId shard, std::string verb, std::string body, Repeat repeat,
                            TimePoint deadline, OnAnswer on_answer) {
  if (pending_.size() >= kPendingMax) {
    on_answer(make_failure(AnswerStatus::failed, "Too many requests are in progress; try again later.", "overloaded"));
    return;
  }
  const std::uint64_t id = ++last_id_;
  const auto [entry, is_new] = pending_.emplace(
      id, Pending{shard, std::move(verb), std::move(body), repeat, deadline, std::move(on_answer), {}, false, {}});
  try_send(id, entry->second);
}

void NodeRequests::to_all(const std::vector<NodeId>& nodes, const std::string& verb, const std::string& body,
                          TimePoint deadline, OnAnswer on_answer, HasRoom has_room) {
  if (nodes.empty() || pending_.size() >= kPendingMax) {
    on_answer(make_failure(AnswerStatus::failed,
                           nodes.empty() ? "No node is ready to answer; see 'epic ps' for the nodes' states."
                                         : "Too many requests are in progress; try again later.",
                           nodes.empty() ? "unavailable" : "overloaded"));
    return;
  }
  const std::uint64_t id = ++last_id_;
  pending_.emplace(id, Pending{{},
                               verb,
                               body,
                               Repeat::unsafe,
                               deadline,
                               std::move(on_answer),
                               std::set(nodes.begin(), nodes.end()),
                               false,
                               {},
                               std::move(has_room),
                               {},
                               std::set(nodes.begin(), nodes.end())});
  for (const NodeId node : nodes) send_(node, protocol::Request{id, verb, body});
}

void NodeRequests::try_send(std::uint64_t id, Pending& pending) {
  const auto owner = find_owner_(*pending.shard);
  if (!owner) return;
  pending.asked = {*owner};
  send_(*owner, protocol::Request{id, pending.verb, pending.body});
}

void NodeRequests::on_answer(NodeId node, const Answer& answer) {
  const auto entry = pending_.find(answer.id);
  if (entry == pending_.end() || !entry->second.asked.contains(node)) {
    if (answer.wants_room) send_(node, protocol::GoOn{.id = answer.id, .is_wanted = false});
    return;
  }
  Pending& pending = entry->second;
  pending.unheard.erase(node);
  if (answer.wants_room) {
    pending.held.insert(node);
    pending.on_answer(answer);
    pending.is_answered = true;
    return let_go_on(answer.id, pending);
  }
  if (!pending.shard) {
    end_share(entry, node, answer);
  } else if (answer.status == AnswerStatus::not_owner) {
    pending.asked.clear();  // waits for on_owners_changed(), unless the shard has already moved on
    if (find_owner_(*pending.shard) != node) try_send(answer.id, pending);
  } else if (answer.last || answer.status != AnswerStatus::ok) {
    end(entry, answer);
  } else {
    pending.is_answered = true;
    pending.on_answer(answer);
  }
}

void NodeRequests::let_go_on(std::uint64_t id, Pending& pending) {
  const Room room = pending.has_room ? pending.has_room() : Room::yes;
  if (room == Room::not_yet) return;
  for (const NodeId node : std::exchange(pending.held, {}))
    send_(node, protocol::GoOn{.id = id, .is_wanted = room == Room::yes});
}

void NodeRequests::on_room() {
  for (auto& [id, pending] : pending_)
    if (!pending.held.empty()) let_go_on(id, pending);
}

void NodeRequests::end_share(Entry entry, NodeId node, const Answer& answer) {
  Pending& pending = entry->second;
  if (answer.status != AnswerStatus::ok) {
    pending.failure = answer;
  } else if (!answer.body.empty()) {
    pending.is_answered = true;
    Answer part = answer;
    part.last = false;
    pending.on_answer(part);
  } else {
    pending.is_answered = true;
  }
  if (!answer.last && answer.status == AnswerStatus::ok) return;
  pending.asked.erase(node);
  pending.held.erase(node);
  pending.unheard.erase(node);
  if (!pending.asked.empty()) return;
  if (!pending.silent.empty()) return end(entry, describe_silence(pending.silent));
  end(entry, pending.is_answered || !pending.failure ? Answer{} : *pending.failure);
}

void NodeRequests::give_up_silent(Entry entry, TimePoint now) {
  Pending& pending = entry->second;
  if (!pending.asked_at) pending.asked_at = now;
  if (pending.unheard.empty() || now < *pending.asked_at + kSilenceMax) return;
  const std::set<NodeId> silent = std::exchange(pending.unheard, {});
  pending.silent.assign(silent.begin(), silent.end());
  for (const NodeId node : silent) end_share(entry, node, describe_silence({node}));  // the last may end it all
}

void NodeRequests::end(Entry entry, Answer last) {
  last.last = true;
  const auto ended = pending_.extract(entry);  // first, because the callback may make a new request
  for (const NodeId node : ended.mapped().held) send_(node, protocol::GoOn{.id = ended.key(), .is_wanted = false});
  ended.mapped().on_answer(last);
}

void NodeRequests::on_left(NodeId node, std::string_view crashed_in) {
  for (auto entry = pending_.begin(); entry != pending_.end();) {
    const auto current = entry++;
    Pending& pending = current->second;
    if (!pending.asked.contains(node)) continue;
    const Answer lost = make_failure(
        AnswerStatus::failed,
        fmt::format("node-{} {} before it answered; the request may have been carried out.", node,
                    crashed_in.empty() ? std::string("ended") : fmt::format("died while it ran {},", crashed_in)),
        "node_lost");
    if (!pending.shard) {
      end_share(current, node, lost);
    } else if (pending.repeat == Repeat::safe && !pending.is_answered) {
      pending.asked.clear();
    } else {
      end(current, lost);
    }
  }
}

void NodeRequests::on_owners_changed() {
  for (auto& [id, pending] : pending_)
    if (pending.shard && pending.asked.empty()) try_send(id, pending);
}

void NodeRequests::on_tick(TimePoint now) {
  for (auto entry = pending_.begin(); entry != pending_.end();) {
    const auto current = entry++;
    const Pending& pending = current->second;
    if (pending.deadline > now) {
      give_up_silent(current, now);
      continue;
    }
    end(current, pending.asked.empty()
                     ? make_failure(AnswerStatus::failed, "No node took the entity's shard in time.", "unavailable")
                     : make_failure(AnswerStatus::failed,
                                    fmt::format("node-{} did not answer in time: is a turn taking long, or the process "
                                                "stopped?",
                                                *pending.asked.begin()),
                                    "timeout"));
  }
}

void NodeRequests::fail_all(const std::string& message) {
  while (!pending_.empty()) end(pending_.begin(), make_failure(AnswerStatus::failed, message, "unavailable"));
}

}  // namespace epic::cluster
