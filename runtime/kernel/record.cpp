#include "kernel/record.hpp"

#include <fmt/format.h>

#include <exception>
#include <string>
#include <utility>

#include "epic/error.hpp"
#include "kernel/errors.hpp"

namespace epic::kernel {

namespace {

/// What a user's constructor throws may be of any class.
std::unexpected<CodecError> as_codec_error(std::string path, const std::exception_ptr& thrown) {
  return std::unexpected(CodecError{.path = std::move(path), .what = describe_failure(thrown).message});
}

}  // namespace

std::expected<RecordRef, CodecError> make_call(const reflect::MethodInfo& method) {
  try {
    return RecordRef(method.make_record());
  } catch (...) {
    return as_codec_error("its parameters", std::current_exception());
  }
}

std::expected<RecordRef, CodecError> make_call(const reflect::MethodInfo& method, const Codec& codec,
                                               std::span<const std::byte> arguments, const reflect::Schema& schema) {
  auto call = make_call(method);
  if (!call) return call;
  if (auto read = codec.decode_sent(arguments, schema, method.arguments(), (*call)->arguments()); !read)
    return std::unexpected(std::move(read.error()));
  return call;
}

std::expected<void, CodecError> read_result(Record& record, const Codec& codec, std::span<const std::byte> result,
                                            const reflect::Schema& schema) {
  void* place = nullptr;
  try {
    place = record.emplace_result();
  } catch (...) {
    return as_codec_error("its class", std::current_exception());
  }
  return codec.decode_sent(result, schema, record.method->result(), place);
}

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
