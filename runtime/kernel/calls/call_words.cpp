#include "kernel/calls/call_words.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/limits.hpp"

namespace epic::kernel {

namespace {

std::string seconds_text(std::int64_t nanoseconds) {
  return nanoseconds % 1'000'000'000 == 0 ? fmt::format("{} s", nanoseconds / 1'000'000'000)
                                          : fmt::format("{} ms", nanoseconds / 1'000'000);
}

}  // namespace

CallId CallWords::id_of(const Record& record) const {
  if (record.site != nullptr && record.site->id.sequence != 0) return record.site->id;
  return {self_.node, self_.life, record.sequence};
}

std::string CallWords::shown(const detail::NamePtr& name) const {
  return name ? types_.shown(name->text) : std::string();
}

std::string CallWords::describe(const Record& record) const {
  const std::string entity = shown(record.callee);
  if (record.method != nullptr) return entity + "." + std::string(record.method->name);
  const std::string label = record.site != nullptr ? record.site->label : std::string("a spawned task");
  return entity.empty() ? label : entity + "." + label;
}

std::string CallWords::describe_caller(const Record& record) const {
  std::string text;
  for (const ChainLink& link : chain_of(&record)) {
    if (link.id == id_of(record)) break;
    if (!text.empty()) text += " > ";
    text += link.method.empty() ? link.entity : link.entity + "." + link.method;
  }
  return text.empty() ? "the caller" : text;
}

std::vector<ChainLink> CallWords::chain_of(const Record* record) const {
  std::vector<ChainLink> chain;
  for (const Record* link = record; link != nullptr; link = link->caller) {
    const std::string method = link->method != nullptr ? std::string(link->method->name) : std::string();
    const std::string entity = link->callee            ? shown(link->callee)
                               : link->site != nullptr ? link->site->label
                                                       : std::string("task");
    chain.push_back({id_of(*link), entity, method});
    if (link->caller == nullptr && link->site != nullptr)
      chain.insert(chain.end(), link->site->chain.rbegin(), link->site->chain.rend());
    if (chain.size() > limits::kChainLengthMax) break;
  }
  std::ranges::reverse(chain);
  return chain;
}

std::optional<CallExtensions> CallWords::extensions_from(const Record* caller) {
  for (const Record* link = caller; link != nullptr; link = link->caller)
    if (link->site != nullptr && link->site->extensions && link->site->extensions->trace)
      return CallExtensions{.trace = link->site->extensions->trace, .caller = {}, .idempotency_key = {}};
  return std::nullopt;
}

std::string CallWords::describe_lock(const Record& record) const {
  std::string text = "waiting for the lock of " + (record.callee ? shown(record.callee) : std::string("its entity"));
  const Activation* activation = activation_of(&record);
  if (activation == nullptr || activation->lock.holders().empty()) return text;
  const Record& holder = *activation->lock.holders().front();
  const CallId id = id_of(holder);
  text +=
      fmt::format(", held by {} {}.{}.{}", holder.method != nullptr ? holder.method->name : std::string_view("a task"),
                  id.node, id.life, id.sequence);
  if (const std::size_t others = activation->lock.holders().size() - 1; others > 0)
    text += fmt::format(" and {} more", others);
  return text;
}

std::string CallWords::describe_timeout(const Record& record, const std::string& doing) const {
  const std::int64_t patience = patience_ns_of(record);
  return fmt::format("{} waited {} for {}: {}", describe_caller(record), seconds_text(patience), describe(record),
                     doing);
}

std::int64_t CallWords::begun_ns_of(const Record& record) const {
  const std::int64_t patience = patience_ns_of(record);
  if (record.deadline_ns != INT64_MAX) return record.deadline_ns - patience;
  return record.site != nullptr && record.site->begun_ns != 0 ? record.site->begun_ns : execution_.now_ns;
}

}  // namespace epic::kernel
