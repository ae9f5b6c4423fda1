#include "kernel/calls/call_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "kernel/limits.hpp"

namespace epic::kernel {

namespace {

std::string seconds_text(std::int64_t nanoseconds) {
  return nanoseconds % 1'000'000'000 == 0 ? fmt::format("{} s", nanoseconds / 1'000'000'000)
                                          : fmt::format("{} ms", nanoseconds / 1'000'000);
}

std::string text_of(const ChainLink& link) {
  return link.method.empty() ? link.entity : link.entity + "." + link.method;
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
  return entity.empty() ? label_of(record) : entity + "." + label_of(record);
}

std::string CallWords::describe_caller(const Record& record) const {
  std::string text;
  for (const ChainLink& link : chain_of(&record)) {
    if (link.id == id_of(record)) break;
    if (!text.empty()) text += " > ";
    text += text_of(link);
  }
  return text.empty() ? "the caller" : text;
}

std::vector<ChainLink> CallWords::chain_of(const Record* record) const {
  std::vector<ChainLink> chain;
  for (const Record* link = record; link != nullptr; link = link->caller) {
    const std::string entity = link->callee ? shown(link->callee) : label_of(*link);
    chain.push_back({id_of(*link), entity, method_of(*link)});
    if (link->caller == nullptr && link->site != nullptr) {
      const std::span<const ChainLink> elsewhere = link->site->links();
      chain.insert(chain.end(), elsewhere.rbegin(), elsewhere.rend());
    }
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
  const Record* const holder = activation == nullptr ? nullptr : activation->lock.find_holder();
  if (holder == nullptr) return text;
  const CallId id = id_of(*holder);
  text += fmt::format(", held by {} {}.{}.{}",
                      holder->method != nullptr ? std::string(holder->method->name) : label_of(*holder), id.node,
                      id.life, id.sequence);
  if (const std::size_t others = activation->lock.holder_count() - 1; others > 0)
    text += fmt::format(" and {} more", others);
  return text;
}

std::string CallWords::describe_no_room(NodeId node) {
  return fmt::format("node-{} has yet to read what was sent to it before", node);
}

std::string CallWords::describe_timeout(const Record& record, const std::string& doing) const {
  const std::int64_t timeout = timeout_ns_of(record);
  return fmt::format("{} waited {} for {}: {}", describe_caller(record), seconds_text(timeout), describe(record),
                     doing);
}

std::int64_t CallWords::begun_ns_of(const Record& record) const {
  const std::int64_t timeout = timeout_ns_of(record);
  if (record.deadline_ns != INT64_MAX) return record.deadline_ns - timeout;
  return record.site != nullptr && record.site->begun_ns != 0 ? record.site->begun_ns : scheduler_.now_ns;
}

Cause CallWords::cause_of(const Record& record) const {
  Cause cause;
  if (record.method != nullptr) cause.method = record.method->name;
  const Record* caller = record.caller;
  if (caller == nullptr && record.site == nullptr) caller = scheduler_.current;
  if (caller != nullptr && caller->callee && caller->method != nullptr) {
    cause.caller = caller->callee;
    cause.caller_method = caller->method->name;
  } else if (caller != nullptr) {
    cause.from = describe(*caller);
  } else if (record.site != nullptr && !record.site->links().empty()) {
    cause.from = text_of(record.site->links().back());
  } else if (record.site != nullptr && !record.site->label.empty()) {
    cause.from = record.site->label;
  } else if (record.site != nullptr && record.site->from.life != 0) {
    cause.from = fmt::format("a task on node-{}", record.site->from.node);
  } else {
    cause.from = scheduler_.current != nullptr ? describe(*scheduler_.current) : "a task";
  }
  return cause;
}

std::string CallWords::describe_doing(const Record& record, const CallTable& calls, std::size_t& visits_left) const {
  switch (record.state) {
    case Record::State::running:
      break;
    case Record::State::loading:
      return "its entity is not active yet";
    case Record::State::locked_out:
      return "it is " + describe_lock(record);
    case Record::State::sent:
      return fmt::format("no answer has come from node-{}", record.site->sent_to.node);
    case Record::State::sharing:
      return "an equal call that this node has made before has not ended";
    default:
      return has_key(record) && record.site->place == RoutedCall::Place::free
                 ? "the call that runs for its idempotency key has not ended"
                 : "it has not started";
  }
  const Waits waits = describe_waits(record, calls, visits_left, 0);
  if (!waits.text.empty()) return "it is still running, and waits for " + waits.text;
  return waits.has_seen_all ? "it is still running, and waits for no call" : "it is still running";
}

/// The calls made by a running call, and what keeps those, as far as this node knows.
CallWords::Waits CallWords::describe_waits(const Record& record, const CallTable& calls, std::size_t& visits_left,
                                           int depth) const {
  constexpr std::size_t kNamedMax = 3;
  constexpr int kDepthMax = 4;
  Waits waits;
  std::vector<const Record*> made;
  waits.has_seen_all = calls.visit_some(record, visits_left, [&](const Record& other) {
    if (other.caller == &record && made.size() < kNamedMax) made.push_back(&other);
  });
  for (const Record* other : made) {
    waits.text += (waits.text.empty() ? "" : " and ") + describe(*other);
    if (other->state == Record::State::sent) waits.text += fmt::format(" on node-{}", other->site->sent_to.node);
    if (other->state == Record::State::locked_out) waits.text += ", which is " + describe_lock(*other);
    if (other->state != Record::State::running || depth == kDepthMax) continue;
    if (const Waits further = describe_waits(*other, calls, visits_left, depth + 1); !further.text.empty())
      waits.text += ", which waits for " + further.text;
  }
  return waits;
}

}  // namespace epic::kernel
