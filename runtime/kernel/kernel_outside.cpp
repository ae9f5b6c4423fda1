// Calls from outside: clients of the control socket, a module's setup; and what the inspector sees.

#include <fmt/format.h>

#include <algorithm>

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
  const std::string text = fmt::format("{}/{}", entry->info->type_name, key);
  detail::NamePtr name = detail::parse_name(text);
  if (!name)
    return std::unexpected(BadArguments(
        fmt::format("'{}' cannot name an entity: the key is empty, too long, or holds a control character", text)));
  RecordRef record(info->make_record());
  record->callee = std::move(name);
  return record;
}

void Kernel::submit(RecordRef call, std::chrono::nanoseconds patience, std::function<void(Record&)> on_end) {
  const Scope scope(*this);
  call->site = new detail::CallSite();
  call->site->label = "client";
  call->site->on_end = std::move(on_end);
  call->patience_ns = patience.count();
  current_ = nullptr;
  if (is_draining_ || !blocked_.empty())
    return fail(*call, ErrorCode::unavailable, is_draining_ ? "this node is shutting down" : blocked_);
  if (!admit(*call)) {
    const auto refused = std::exchange(call->site->on_end, nullptr);
    return refused(*call);
  }
  static_cast<void>(route(std::move(call), /*may_run_now=*/false));
}

void Kernel::submit_task(Task<void> task, std::string label, std::function<void(Record&)> on_end) {
  const Scope scope(*this);
  RecordRef record(new detail::TaskRecord<void>(std::move(task)));
  record->site = new detail::CallSite();
  record->site->label = std::move(label);
  record->site->on_end = std::move(on_end);
  record->patience_ns = INT64_MAX;
  current_ = nullptr;
  if (!admit(*record)) {
    const auto refused = std::exchange(record->site->on_end, nullptr);
    return refused(*record);
  }
  enqueue_start(std::move(record));
}

std::vector<CallView> Kernel::calls(std::string_view entity) const {
  std::vector<CallView> views;
  calls_.for_each([&](const Record& record) {
    const std::string_view callee = record.callee ? std::string_view(record.callee->text) : std::string_view();
    const std::string_view caller = record.caller != nullptr && record.caller->callee
                                        ? std::string_view(record.caller->callee->text)
                                        : std::string_view();
    if (!entity.empty() && callee != entity && caller != entity) return;
    CallView view;
    view.id = id_of(record);
    view.entity = callee;
    view.caller = describe_caller(record);
    view.method = record.method != nullptr ? std::string(record.method->name)
                  : record.site != nullptr ? record.site->label
                                           : "task";
    switch (record.state) {
      case Record::State::loading:
        view.state = "waiting for the entity to activate";
        break;
      case Record::State::locked_out:
        view.state = "waiting for the lock";
        break;
      case Record::State::running:
        view.state = "running";
        break;
      case Record::State::sent:
        view.state = fmt::format("sent to node-{}", record.site->sent_to.node);
        break;
      case Record::State::ended:
        view.state = "running, its caller has gone";
        break;
      default:
        view.state = "queued";
    }
    const std::int64_t patience = record.patience_ns != 0 ? record.patience_ns : options_.call_patience.count();
    view.age_ns = patience == INT64_MAX ? 0 : std::max<std::int64_t>(0, now_ns_ - (record.deadline_ns - patience));
    views.push_back(std::move(view));
  });
  return views;
}

}  // namespace epic::kernel
