#include "cluster/supervisor/leader_requests.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "codec/described_json.hpp"
#include "protocol/control.hpp"
#include "protocol/json.hpp"

namespace epic::cluster {

namespace control = protocol::control;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kLookEvery{100};
constexpr std::chrono::seconds kLookForGoneEvery{1};
/// For a request without a deadline of its own, beyond two leases.
constexpr std::chrono::seconds kPatience{20};
constexpr std::string_view kTimeout = "timeout_ms";

/// They change nothing, and have one answer.
bool may_be_repeated(std::string_view verb) {
  static constexpr std::array kLooks{control::Ps::kVerb.name, control::Nodes::kVerb.name, control::Inspect::kVerb.name,
                                     control::Types::kVerb.name, control::Calls::kVerb.name};
  return std::ranges::find(kLooks, verb) != kLooks.end();
}

/// A call has in total the time that its client has set.
void shorten(ControlRequest& request, std::chrono::nanoseconds left) {
  auto body = protocol::parse_json(request.body);
  auto* const fields = body ? body->if_object() : nullptr;
  if (fields == nullptr) return;  // the leader says what is wrong with it
  (*fields)[kTimeout] = std::max<std::int64_t>(1, std::chrono::ceil<milliseconds>(left).count());
  request.body = protocol::print_json(*body);
}

}  // namespace

std::chrono::nanoseconds LeaderRequests::patience_for(const ControlRequest& request) const {
  if (request.verb != control::Call::kVerb.name) return 2 * options_.lease + kPatience;
  const auto call = codec::read_described_text<control::Call::Request>(request.body);
  if (!call || !call->timeout_ms) return options_.fabric.call_deadline;
  constexpr std::uint64_t kLongest = std::chrono::milliseconds(std::chrono::hours(24)).count();
  return milliseconds(std::min(*call->timeout_ms, kLongest));
}

void LeaderRequests::ask(const ControlRequest& request, ControlReply reply) {
  if (asked_.size() >= kCountMax)
    return reply.fail(AnswerStatus::failed, "Too many requests are in progress; try again later.",
                      control::FailureDetail{.error = "overloaded"});
  ControlRequest numbered = request;
  numbered.id = ++last_id_;
  const auto now = host_.now();
  Asked& asked = asked_
                     .emplace(numbered.id, Asked{.request = std::move(numbered),
                                                 .reply = std::move(reply),
                                                 .deadline = now + patience_for(request),
                                                 .told_at = now})
                     .first->second;
  if (!send_) return wait();
  send_(asked.request);
  if (asked_.size() == 1) timer_.expires_after(kLookForGoneEvery, [this] { give_up_gone(); });
}

void LeaderRequests::connect(Send send, GiveUp give_up) {
  send_ = std::move(send);
  give_up_ = std::move(give_up);
  timer_.cancel();
  const auto now = host_.now();
  for (auto& [id, asked] : asked_) {
    if (asked.request.verb == control::Call::kVerb.name) shorten(asked.request, asked.deadline - now);
    send_(asked.request);
  }
  if (!asked_.empty()) timer_.expires_after(kLookForGoneEvery, [this] { give_up_gone(); });
}

/// A client may go without an answer coming, as one that follows a silent log.
void LeaderRequests::give_up_gone() {
  std::erase_if(asked_, [this](const auto& one) {
    if (one.second.reply.is_open()) return false;
    give_up_(one.first);
    return true;
  });
  if (!asked_.empty()) timer_.expires_after(kLookForGoneEvery, [this] { give_up_gone(); });
}

void LeaderRequests::disconnect() {
  if (!std::exchange(send_, nullptr)) return;
  std::erase_if(asked_, [](const auto& one) {
    const Asked& asked = one.second;
    if (may_be_repeated(asked.request.verb)) return false;
    asked.reply.fail(AnswerStatus::failed,
                     fmt::format("The supervisor that led the fabric cannot be reached any longer, and nobody knows "
                                 "whether it has carried out '{}'.",
                                 asked.request.verb));
    return true;
  });
  for (auto& [id, asked] : asked_) asked.told_at = host_.now();
  wait();
}

void LeaderRequests::on_answer(const protocol::ControlAnswer& answer) {
  const auto found = asked_.find(answer.id);
  if (found == asked_.end()) {  // asked over a link before
    if (!answer.last) give_up_(answer.id);
    return;
  }
  const ControlReply reply = found->second.reply;
  if (answer.last) asked_.erase(found);
  if (answer.status != AnswerStatus::ok)
    reply.fail_with(answer.status, answer.body);
  else if (answer.last)
    reply.finish(answer.body);
  else
    reply.part(answer.body);
}

/// For a leader, with all that has been asked.
void LeaderRequests::wait() {
  const auto now = host_.now();
  std::erase_if(asked_, [now](const auto& one) {
    const Asked& asked = one.second;
    if (now >= asked.deadline)
      asked.reply.fail(AnswerStatus::failed,
                       "No supervisor that leads the fabric could be reached in time, so nothing was done.",
                       control::FailureDetail{.error = "unavailable",
                                              .hint = "The log of this machine's supervisor says what it waits for."});
    return !asked.reply.is_open();
  });
  const auto lease = std::chrono::ceil<std::chrono::seconds>(options_.lease);
  for (auto& [id, asked] : asked_) {
    if (now - asked.told_at < kTellAfter) continue;
    asked.told_at = now;
    asked.reply.wait(fmt::format(
        "Waiting for a supervisor to lead the fabric: the one that did cannot be reached, and another takes "
        "over once its lease of {} has ended.",
        lease));
  }
  if (!asked_.empty()) timer_.expires_after(kLookEvery, [this] { wait(); });
}

}  // namespace epic::cluster
