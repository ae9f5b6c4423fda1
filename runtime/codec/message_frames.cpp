#include "codec/message_frames.hpp"

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "codec/capnp_reader.hpp"
#include "codec/capnp_writer.hpp"
#include "codec/read_plan.hpp"
#include "reflect/schema_of.hpp"

namespace epic::codec {
namespace {

using protocol::WireError;
using Bytes = std::span<const std::byte>;

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kSchemaBytesMax = 64 << 10;
/// What a message may take in memory for each byte of its frame: elements of a few empty texts are the worst.
constexpr std::size_t kDecodedPerByte = 8;
constexpr std::size_t kDecodedBytesMin = 64 << 10;

/// The first word of a payload. This much can be read whatever the version of the writer.
struct Preface {
  std::uint8_t format = kFormat;
  std::uint8_t opens = 0;
  std::uint16_t kind = 0;
  std::uint32_t schema_bytes = 0;
};
static_assert(sizeof(Preface) == kWordBytes);

constexpr std::size_t whole_words(std::size_t bytes) { return (bytes + kWordBytes - 1) / kWordBytes * kWordBytes; }

void append_bytes(const void* data, std::size_t size_bytes, std::vector<std::byte>& out) {
  const auto* const first = static_cast<const std::byte*>(data);
  out.insert(out.end(), first, first + size_bytes);
}

}  // namespace

struct MessageFamily::Plans {
  explicit Plans(const reflect::TypeInfo& variant)
      : type(variant),
        schema(reflect::schema_of(variant)),
        write(write_plans.get(variant)),
        read(read_plans.get(schema, variant, Reading::sent)) {}

  const reflect::TypeInfo& type;
  reflect::Schema schema;
  WritePlans write_plans;
  ReadPlans read_plans;
  const WritePlan& write;
  const ReadPlan& read;  // of a writer of this version
};

MessageFamily::MessageFamily(const reflect::TypeInfo& variant) : plans_(std::make_unique<const Plans>(variant)) {}
MessageFamily::~MessageFamily() = default;

void MessageFamily::append_frame(std::size_t kind, const void* message, Opening opening,
                                 std::vector<std::byte>& out) const {
  const std::size_t begin = out.size();
  const std::string_view schema = opening == Opening::yes ? std::string_view(plans_->schema.text()) : "";
  const Preface preface{.opens = opening == Opening::yes,
                        .kind = static_cast<std::uint16_t>(kind),
                        .schema_bytes = static_cast<std::uint32_t>(schema.size())};
  out.resize(begin + protocol::kFrameHeaderBytes);
  append_bytes(&preface, sizeof preface, out);
  append_bytes(schema.data(), schema.size(), out);
  out.resize(begin + protocol::kFrameHeaderBytes + sizeof preface + whole_words(schema.size()));
  try {
    write_message(*plans_->write.parts[kind], message, EmptyTail::cut, out);
  } catch (...) {
    out.resize(begin);
    throw;
  }
  const std::size_t payload_bytes = out.size() - begin - protocol::kFrameHeaderBytes;
  const std::uint32_t header[2] = {static_cast<std::uint32_t>(payload_bytes), protocol::kFrameMagic};
  std::memcpy(out.data() + begin, header, sizeof header);
}

/// How the other end writes.
struct MessageReader::Theirs {
  ReadPlans own;                   // for a schema that is not ours
  const ReadPlan* plan = nullptr;  // of the variant
};

MessageReader::MessageReader(const MessageFamily& ours) : ours_(ours) {}
MessageReader::~MessageReader() = default;
MessageReader::MessageReader(MessageReader&&) noexcept = default;

namespace {

std::expected<void, WireError> fail(std::string what) { return std::unexpected(WireError{std::move(what)}); }

}  // namespace

std::expected<void, WireError> MessageReader::read(Bytes payload, void* family) {
  Preface preface;
  if (payload.size() < sizeof preface || payload.size() % kWordBytes != 0)
    return fail(fmt::format("a malformed message: {} bytes", payload.size()));
  std::memcpy(&preface, payload.data(), sizeof preface);
  if (preface.format != kFormat)
    return fail(fmt::format("a message in format {}, and {} is read here", preface.format, kFormat));
  Bytes rest = payload.subspan(sizeof preface);
  if (preface.schema_bytes > kSchemaBytesMax || preface.schema_bytes > rest.size())
    return fail(fmt::format("a malformed message: a schema of {} bytes", preface.schema_bytes));
  const MessageFamily::Plans& ours = ours_.plans();
  if (preface.opens != 0) {
    const std::string_view text(reinterpret_cast<const char*>(rest.data()), preface.schema_bytes);
    auto theirs = std::make_unique<Theirs>();
    if (text == ours.schema.text()) {
      theirs->plan = &ours.read;
    } else {
      const auto schema = reflect::Schema::parse(text);
      if (!schema) return fail(fmt::format("a malformed schema of messages: {}", schema.error()));
      theirs->plan = &theirs->own.get(*schema, ours.type, Reading::sent);
      if (theirs->plan->action != ReadPlan::Action::variant) return fail("a schema that is not one of messages");
    }
    theirs_ = std::move(theirs);
  }
  if (!theirs_) return fail("a message before the schema of messages");
  rest = rest.subspan(whole_words(preface.schema_bytes));

  const ReadPlan& plan = *theirs_->plan;
  if (preface.kind >= plan.parts.size()) return fail(fmt::format("a message of the unknown kind {}", preface.kind));
  const ReadPlan& part = *plan.parts[preface.kind];
  if (part.action == ReadPlan::Action::mismatch)
    return fail(fmt::format("a message that this version does not know: it {}", part.problem));
  void* const message = ours.type.variant.emplace(family, plan.alternatives[preface.kind]);
  const ReadBounds bounds{.decoded_bytes_max = kDecodedPerByte * payload.size() + kDecodedBytesMin,
                          .only_named_enumerators = true};
  if (auto done = read_message(rest, part, message, bounds); !done) {
    const auto& [path, what] = done.error();
    return fail(path.empty() ? fmt::format("a malformed message: {}", what)
                             : fmt::format("a malformed message: {}: {}", path, what));
  }
  return {};
}

}  // namespace epic::codec
