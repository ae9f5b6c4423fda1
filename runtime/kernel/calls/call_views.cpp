#include "kernel/calls/call_views.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "kernel/limits.hpp"
#include "kernel/placement.hpp"

namespace epic::kernel {

namespace {

const char* text_of(detail::WaitsFor what) {
  switch (what) {
    case detail::WaitsFor::time:
      return "sleeping";
    case detail::WaitsFor::event:
      return "waiting for an event";
    case detail::WaitsFor::stopping:
      return "waiting until it is to stop";
    case detail::WaitsFor::commit:
      return "waiting to be saved";
    case detail::WaitsFor::thread:
      return "waiting for epic::blocking";
    case detail::WaitsFor::file:
      return "waiting for an epic::File";
  }
  return "";
}

}  // namespace

std::vector<CallView> CallViews::list(std::string_view entity) const {
  std::vector<const Record*> meant;
  if (entity.empty())
    uses_.calls.table().visit_oldest(limits::kCallViewsMax, [&](const Record& record) { meant.push_back(&record); });
  else
    uses_.calls.for_each([&](const Record& record) {
      const bool is_callee = record.callee && record.callee->text == entity;
      const bool is_caller = record.caller != nullptr && record.caller->callee && record.caller->callee->text == entity;
      if (is_callee || is_caller) meant.push_back(&record);
    });
  if (meant.size() > limits::kCallViewsMax) {
    std::ranges::nth_element(meant, meant.begin() + limits::kCallViewsMax, {},
                             [this](const Record* record) { return uses_.words.begun_ns_of(*record); });
    meant.resize(limits::kCallViewsMax);
  }
  std::unordered_map<const Record*, const char*> doing;
  for (const Record* record : meant) doing.emplace(record, "running");
  uses_.parked.for_each([&doing](const Record* execution, detail::WaitsFor what) {
    if (const auto found = doing.find(execution); found != doing.end()) found->second = text_of(what);
  });
  std::vector<CallView> views;
  for (const Record* record : meant) views.push_back(view_of(*record, doing.at(record)));
  return views;
}

CallView CallViews::view_of(const Record& record, const char* running) const {
  CallView view;
  view.id = uses_.words.id_of(record);
  view.entity = uses_.words.shown(record.callee);
  view.method = record.method != nullptr ? std::string(record.method->name) : CallWords::label_of(record);
  view.waiting = uses_.words.chain_of(&record);
  view.waiting.pop_back();
  if (!view.waiting.empty())
    view.caller = uses_.words.describe_caller(record);
  else if (record.site != nullptr && record.site->label == "client")
    view.caller = record.site->label;
  view.age_ns = std::max<std::int64_t>(0, uses_.clock.now_ns - uses_.words.begun_ns_of(record));
  switch (record.state) {
    case Record::State::loading:
      view.state = "waiting for the entity to activate";
      break;
    case Record::State::locked_out:
      view.state = uses_.words.describe_lock(record);
      break;
    case Record::State::running:
      view.state = running;
      break;
    case Record::State::sent:
      view.sent_to = record.site->sent_to.node;
      view.state = fmt::format("sent to node-{}", view.sent_to);
      break;
    case Record::State::sharing:
      view.state = "waiting for an equal call";
      break;
    case Record::State::ended:
      view.state = "running, its caller has gone";
      break;
    default:
      view.state = describe_queue(record);
  }
  return view;
}

std::string_view CallViews::describe_queue(const Record& record) const {
  if (record.activation != nullptr || record.method == nullptr) return "queued";
  if (has_key(record) && record.site->place == RoutedCall::Place::free)
    return "waiting for the call that runs for its idempotency key";
  if (!uses_.saving.is_durable(CommitNumber{record.observed}))
    return "waiting for the store before it leaves this node";
  const ShardId shard = uses_.placement.shard_of(record.callee->text);
  const bool has_arrived = record.site != nullptr && record.site->has_arrived();  // then it is not sent on
  if (!has_arrived && !uses_.syscalls.has_room(uses_.routing.owner_of(shard)))
    return "waiting for room to its node, which has yet to read what was sent before";
  const bool is_closed = uses_.routing.is_closed(shard);
  return is_closed ? "waiting for its shard to move" : "waiting for its shard to find an owner";
}

}  // namespace epic::kernel
