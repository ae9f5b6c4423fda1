#include "kernel/running_page.hpp"

#include <algorithm>
#include <span>

namespace epic::kernel {

namespace {

constexpr std::uint32_t kShared = 0;  // the place of what has none of its own

void copy_name(std::string_view name, std::span<char> to) {
  const std::size_t bytes = std::min(name.size(), to.size() - 1);
  *std::copy_n(name.data(), bytes, to.data()) = '\0';
}

}  // namespace

void RunningWriter::write(std::uint32_t number, ActivationId activation, const void* method,
                          std::string_view entity_name, std::string_view method_name) {
  page_->place.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);  // nothing is written before the place counts no longer
  RunningPage::Place& place = page_->places[number];
  place.activation = activation;
  place.method = method;
  copy_name(entity_name, place.entity_name);
  copy_name(method_name, place.method_name);
  page_->place.store(number + 1, std::memory_order_release);
}

void RunningWriter::write(const Record& execution) {
  if (!execution.callee) return page_->place.store(0, std::memory_order_release);
  const std::string_view entity = execution.callee->text;
  const auto* const activation = static_cast<const Activation*>(execution.activation);
  if (execution.method == nullptr)
    return write(kShared, {}, nullptr, entity,
                 execution.site == nullptr ? std::string_view() : std::string_view(execution.site->label));
  if (activation == nullptr) return write(kShared, {}, nullptr, entity, execution.method->name);
  write(number_of(activation->id, execution.method), activation->id, execution.method, entity, execution.method->name);
}

void RunningWriter::show(std::string_view entity, std::string_view what) {
  if (page_ != nullptr) write(kShared, {}, nullptr, entity, what);
}

}  // namespace epic::kernel
