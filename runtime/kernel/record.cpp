#include "kernel/record.hpp"

#include <fmt/format.h>

#include <utility>

#include "epic/error.hpp"

namespace epic::kernel {

void set_key(Record& record, std::string key) {
  if (record.site == nullptr) record.site = new detail::CallSite(record);
  record.site->extensions =
      std::make_unique<CallExtensions>(CallExtensions{.trace = {}, .caller = {}, .idempotency_key = std::move(key)});
}

void use_options(Record& record, const ClientCallOptions& options) {
  if (!options.idempotency_key) return;
  if (const std::string fault = find_key_fault(*options.idempotency_key); !fault.empty())
    throw BadArguments(fmt::format("{}.{} was not sent: its idempotency key cannot be used: {}", record.callee->text,
                                   record.method->name, fault));
  set_key(record, *options.idempotency_key);
}

}  // namespace epic::kernel
