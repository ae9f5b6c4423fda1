#include "kernel/calls/outside_calls.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>
#include <vector>

#include "epic/gather.hpp"

namespace epic::kernel {

Task<void> run_setup(SetupFn setup) {
  const Task<void> task = setup(Pool{});
  if (!task.handle()) throw std::logic_error("setup returned an empty Task");
  co_await task;
}

std::expected<RecordRef, Error> OutsideCalls::make(std::string_view type, std::string_view key,
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
  auto record = make_call(*info);
  if (!record)
    return std::unexpected(
        BadArguments(fmt::format("{}.{} cannot be called: {}", types_.shown(text), method, record.error().what)));
  (*record)->callee = std::move(name);
  return std::move(*record);
}

void OutsideCalls::submit(RecordRef call, std::chrono::nanoseconds timeout, OnEnd on_end) {
  if (call->site == nullptr) call->site = new detail::CallSite(*call);
  call->site->label = "client";
  call->site->on_end = std::move(on_end);
  call->timeout_ns = timeout.count();
  scheduler_.current = nullptr;
  if (const std::string_view refusal = admission_.refusal(); !refusal.empty())
    return calls_.fail(*call, ErrorCode::unavailable, std::string(refusal));
  if (!open(*call)) return;
  if (has_key(*call)) return send_keyed_(std::move(call));
  calls_.route(std::move(call));
}

void OutsideCalls::submit_task(Task<void> task, std::string label, OnEnd on_end) {
  RecordRef record(new detail::TaskRecord<void>(std::move(task)));
  record->site = new detail::CallSite(*record);
  record->site->label = std::move(label);
  record->site->on_end = std::move(on_end);
  record->site->begun_ns = scheduler_.now_ns;
  record->timeout_ns = INT64_MAX;
  scheduler_.current = nullptr;
  if (open(*record)) calls_.start_soon(std::move(record));
}

bool OutsideCalls::open(Record& record) {
  if (calls_.open(record)) return true;
  const OnEnd refused = std::exchange(record.site->on_end, nullptr);
  refused(record);
  return false;
}

}  // namespace epic::kernel
