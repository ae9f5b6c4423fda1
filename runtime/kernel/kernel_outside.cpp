// Calls from outside: clients of the control socket, a module's setup; and what the inspector shows.

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "epic/gather.hpp"
#include "kernel/kernel.hpp"
#include "kernel/kernel_scope.hpp"

namespace epic::kernel {

std::expected<RecordRef, Error> Kernel::make_call(std::string_view type, std::string_view key,
                                                  std::string_view method) {
  const TypeEntry* entry = types_.find(type);
  if (entry == nullptr) {
    const std::string near = types_.nearest_type(type);
    return std::unexpected(NoSuchType(fmt::format("no entity class '{}' in this project's modules{}", type,
                                                  near.empty() ? "" : fmt::format("; did you mean '{}'?", near))));
  }
  const reflect::MethodInfo* info = entry->info->find_method(method);
  if (info == nullptr) {
    std::vector<std::string_view> names;
    for (const reflect::MethodInfo* known : entry->info->methods) names.push_back(known->name);
    const std::string near = nearest_word(method, names);
    return std::unexpected(NoSuchMethod(fmt::format("{} has no method '{}'{}", entry->info->type_name, method,
                                                    near.empty() ? "" : fmt::format("; did you mean '{}'?", near))));
  }
  const std::string text = fmt::format("{}/{}", entry->info->stored_name(), key);
  detail::NamePtr name = detail::parse_name(text);
  if (!name)
    return std::unexpected(BadArguments(
        fmt::format("'{}' cannot name an entity: the key is empty, too long, no UTF-8, or holds a control character",
                    types_.shown(text))));
  RecordRef record(info->make_record());
  record->callee = std::move(name);
  return record;
}

void Kernel::submit(RecordRef call, std::chrono::nanoseconds patience, std::function<void(Record&)> on_end) {
  const Scope scope(*this);
  call->site = new detail::CallSite(*call);
  call->site->label = "client";
  call->site->on_end = std::move(on_end);
  call->patience_ns = patience.count();
  execution_.current = nullptr;
  if (is_draining_ || !blocked_.empty())
    return fail(*call, ErrorCode::unavailable, is_draining_ ? "this node is shutting down" : blocked_);
  if (!calls_.open(*call)) {
    const auto refused = std::exchange(call->site->on_end, nullptr);
    return refused(*call);
  }
  calls_.route(std::move(call));
}

void Kernel::enter(const std::function<void()>& work) {
  const Scope scope(*this);
  work();
}

void Kernel::submit_task(Task<void> task, std::string label, std::function<void(Record&)> on_end) {
  const Scope scope(*this);
  RecordRef record(new detail::TaskRecord<void>(std::move(task)));
  record->site = new detail::CallSite(*record);
  record->site->label = std::move(label);
  record->site->on_end = std::move(on_end);
  record->site->begun_ns = execution_.now_ns;
  record->patience_ns = INT64_MAX;
  execution_.current = nullptr;
  if (!calls_.open(*record)) {
    const auto refused = std::exchange(record->site->on_end, nullptr);
    return refused(*record);
  }
  calls_.start_soon(std::move(record));
}

// ---- the list of calls in flight ----

std::vector<CallView> Kernel::calls(std::string_view entity) const {
  std::vector<const Record*> meant;
  calls_.for_each([&](const Record& record) {
    const bool is_callee = record.callee && record.callee->text == entity;
    const bool is_caller = record.caller != nullptr && record.caller->callee && record.caller->callee->text == entity;
    if (entity.empty() || is_callee || is_caller) meant.push_back(&record);
  });
  if (meant.size() > limits::kCallViewsMax) {
    std::ranges::nth_element(meant, meant.begin() + limits::kCallViewsMax, {},
                             [this](const Record* record) { return words_.begun_ns_of(*record); });
    meant.resize(limits::kCallViewsMax);
  }
  std::unordered_map<const Record*, const char*> waits;  // what an execution waits for that is not a call
  timers_.for_each_execution([&](const Record* execution) { waits.emplace(execution, "sleeping"); });
  for (const auto& [number, waiter] : saved_waiters_) waits.emplace(waiter->execution, "waiting to be saved");
  std::vector<CallView> views;
  for (const Record* record : meant) {
    const auto wait = waits.find(record);
    views.push_back(view_of(*record, wait == waits.end() ? "running" : wait->second));
  }
  return views;
}

CallView Kernel::view_of(const Record& record, const char* running) const {
  CallView view;
  view.id = words_.id_of(record);
  view.entity = words_.shown(record.callee);
  view.method = record.method != nullptr ? std::string(record.method->name)
                : record.site != nullptr ? record.site->label
                                         : "task";
  view.waiting = words_.chain_of(&record);
  view.waiting.pop_back();
  if (!view.waiting.empty())
    view.caller = words_.describe_caller(record);
  else if (record.site != nullptr && record.site->label == "client")
    view.caller = record.site->label;
  view.age_ns = std::max<std::int64_t>(0, execution_.now_ns - words_.begun_ns_of(record));
  switch (record.state) {
    case Record::State::loading:
      view.state = "waiting for the entity to activate";
      break;
    case Record::State::locked_out:
      view.state = words_.describe_lock(record);
      break;
    case Record::State::running:
      view.state = running;
      break;
    case Record::State::sent:
      view.sent_to = record.site->sent_to.node;
      view.state = fmt::format("sent to node-{}", view.sent_to);
      break;
    case Record::State::ended:
      view.state = "running, its caller has gone";
      break;
    default:
      view.state = describe_queue(record);
  }
  return view;
}

std::string_view Kernel::describe_queue(const Record& record) const {
  if (record.activation != nullptr || record.method == nullptr) return "queued";
  if (!gate_.is_open(CommitNumber{record.observed})) return "waiting for the store before it leaves this node";
  const bool is_closed = routing_.is_closed(shard_of(record.callee->text));
  return is_closed ? "waiting for its shard to move" : "waiting for its shard to find an owner";
}

}  // namespace epic::kernel
