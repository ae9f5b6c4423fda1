#pragma once
// Record: a call as the kernel sees it. detail::CallRecord (public header epic/call.hpp) is what every call has. What
// few have is in a CallSite: calls from and to other processes, those that wait for a shard, and what runs without
// being a method (setup, hooks, spawned tasks).

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "epic/call.hpp"
#include "epic/call_options.hpp"
#include "kernel/batch.hpp"
#include "kernel/codec.hpp"
#include "kernel/messages.hpp"
#include "kernel/routing/routed_call.hpp"
#include "reflect/schema.hpp"

namespace epic::kernel {

using Record = detail::CallRecord;
using RecordRef = detail::RecordPtr<Record>;
class ArrivedArguments;
/// The callers that wait for a call on other nodes, outermost first; null if there are none.
using SharedChain = std::shared_ptr<const std::vector<ChainLink>>;

}  // namespace epic::kernel

namespace epic::detail {

/// State of a record that is a timer's tick.
struct Tick {
  std::uint64_t skipped = 0;  // ticks since the one before
  bool is_use = true;         // of the entity, which keeps it in memory
};

/// Owned by its record.
struct CallSite : kernel::RoutedCall {
  explicit CallSite(CallRecord& of) : record(of) {}
  /// Counted as the record itself is, so that calls that wait for room elsewhere are bounded as well.
  static void* operator new(std::size_t size_bytes) { return allocate_frame(size_bytes); }
  static void operator delete(void* site, std::size_t size_bytes) noexcept { free_frame(site, size_bytes); }
  CallRecord& record;
  kernel::CallId id;                                          // as named by the caller
  kernel::SharedChain chain;                                  // shared by the calls of a broadcast
  std::shared_ptr<const kernel::ArrivedArguments> arguments;  // likewise; null: they have been read
  std::unique_ptr<kernel::CallExtensions> extensions;         // what else came with it; null for most calls
  std::function<void(CallRecord&)> on_end;                    // outside callers of this process: after the gate
  std::function<void(CallRecord&)> on_hook_end;               // hooks of the kernel itself: at once
  bool is_refused = false;                                    // its sender went by an old map, or the shard has left
  std::string label;          // of a record without a method: "setup", "on_activate"; of a tick, its method
  std::int64_t begun_ns = 0;  // of a record without a deadline
  std::optional<Tick> tick;
  std::optional<kernel::MailId> mail;               // of a call that a message makes
  std::uint64_t missed = 0;                         // of a reminder's call: the other due times that it stands for
  std::unique_ptr<kernel::AnswerId> answer;         // of the one call that runs for a key, for all that wait for it
  std::optional<kernel::ErrorPart> answered_error;  // of a call that gets that one's exception, as it was stored
  const CallRecord* answered_by = nullptr;          // … while that one ends: what it has observed counts
  [[nodiscard]] std::span<const kernel::ChainLink> links() const {
    return chain ? std::span<const kernel::ChainLink>(*chain) : std::span<const kernel::ChainLink>();
  }
  /// Something other than a caller in this kernel gets the outcome.
  [[nodiscard]] bool reports() const { return has_arrived() || on_end || on_hook_end || mail || answer; }
};

}  // namespace epic::detail

namespace epic::kernel {

/// An outside caller may repeat it: it is answered by the one call that runs for its key.
[[nodiscard]] inline bool has_key(const Record& record) {
  return record.site != nullptr && record.site->extensions && !record.site->extensions->idempotency_key.empty();
}

/// A new call of it. The error: a parameter's own constructor has thrown that.
[[nodiscard]] std::expected<RecordRef, CodecError> make_call(const reflect::MethodInfo& method);
/// The same, with arguments that were sent.
[[nodiscard]] std::expected<RecordRef, CodecError> make_call(const reflect::MethodInfo& method, const Codec& codec,
                                                             std::span<const std::byte> arguments,
                                                             const reflect::Schema& schema);
/// Reads what the call has returned into it.
[[nodiscard]] std::expected<void, CodecError> read_result(Record& record, const Codec& codec,
                                                          std::span<const std::byte> result,
                                                          const reflect::Schema& schema);

/// Before the call is submitted.
void set_key(Record& record, std::string key);
/// Sets what the caller's options say, before the call is submitted. Throws BadArguments for a key that cannot be one.
void use_options(Record& record, const ClientCallOptions& options);

}  // namespace epic::kernel
