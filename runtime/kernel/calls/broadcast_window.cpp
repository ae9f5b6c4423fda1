// epic::detail::BroadcastWindow, which user's code awaits, and the method that it names: on the thread's current
// kernel.

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

#include "epic/broadcast.hpp"
#include "kernel/calls/calls.hpp"
#include "kernel/errors.hpp"
#include "kernel/limits.hpp"

namespace epic::detail {

BroadcastWindow::BroadcastWindow(std::size_t count)
    : CallWindow(kernel::limits::kBroadcastAtOnce, Runs::nothing, kernel::limits::kBroadcastAtOnce / 2),
      count_(count) {}

BroadcastWindow::~BroadcastWindow() {
  for (const auto& record : begun_) stop_waiting_for(*record);
}

/// Those that have ended are counted, and freed, when they are a third of all: so it costs each call the same, however
/// many there are, and few are kept for nothing.
CallRecord* BroadcastWindow::next() {
  if (begun_.size() >= kernel::limits::kBroadcastAtOnce * 3 / 2) count_ended();
  begun_.push_back(make(made_++));
  return begun_.back().get();
}

void BroadcastWindow::count_ended() {
  std::erase_if(begun_, [this](const RecordPtr<CallRecord>& record) {
    if (!has_ended(*record)) return false;
    const std::exception_ptr failure = record->failure ? record->failure : record->thrown();
    if (!failure) {
      ++result_.succeeded;
      return true;
    }
    ++result_.failed;
    kernel::ErrorPart error =
        record->failure ? kernel::describe_failure(failure) : kernel::describe_thrown(failure, record->method->name);
    if (error.code == ErrorCode::cancelled && record->failure) cancelled_ = failure;
    if (result_.failures.size() < kernel::limits::kBroadcastFailuresNamed)
      result_.failures.push_back(
          {.entity = std::string(record->callee->text), .code = error.code, .what = std::move(error.message)});
    return true;
  });
}

BroadcastResult BroadcastWindow::await_resume() {
  count_ended();
  if (is_cancelled() && cancelled_) std::rethrow_exception(cancelled_);
  if (is_cut_short()) throw_cut_short();
  return std::move(result_);
}

const reflect::MethodInfo& get_listed_method(std::string_view what, const reflect::EntityInfo& type,
                                             const MethodPointer& pointer) {
  for (const reflect::MethodInfo* const method : type.methods)
    if (method->is_method(pointer.type, pointer.pointer)) return *method;
  throw std::logic_error(fmt::format(
      "{}: the method is not one of {}'s that are listed in methods(...) or exclusive(...) of its EPIC_ENTITY", what,
      type.type_name));
}

}  // namespace epic::detail
