#include "codec/snapshot_json.hpp"

#include <fmt/format.h>

#include <exception>
#include <functional>

#include "codec/capnp_message.hpp"
#include "codec/json_writer.hpp"
#include "codec/limits.hpp"
#include "codec/wire_json.hpp"

namespace epic::codec {

namespace {

/// A root that is not a struct is the only member of one.
constexpr Slot kRootPointer{.size = SlotSize::pointer, .offset = 0};

WireView root_view(WireTypes& types, capnp::AnyStruct::Reader root) {
  if (is_struct(types.schema().root().kind)) return {types, 0, root};
  const SlotSize size = types.slot(0);
  if (size == SlotSize::pointer) return {types, 0, read_pointer(root.getPointerSection(), kRootPointer)};
  return {types, 0, read_slot(root.getDataSection(), {.size = size, .offset = 0})};
}

WireSink root_sink(WireTypes& types, capnp::AnyPointer::Builder root) {
  if (is_struct(types.schema().root().kind))
    return {types, 0, root.initAsAnyStruct(types.layout(0).data_words, types.layout(0).pointer_count)};
  const SlotSize size = types.slot(0);
  if (size == SlotSize::pointer) return {types, 0, root.initAsAnyStruct(0, 1).getPointerSection()[0]};
  const auto data = root.initAsAnyStruct(1, 0).getDataSection();
  return {types, 0, [=](std::uint64_t bits) { write_slot(data, {.size = size, .offset = 0}, bits); }};
}

}  // namespace

namespace {

std::expected<boost::json::value, kernel::CodecError> read_json(const std::function<WireTypes&()>& types_of,
                                                                std::span<const std::byte> bytes,
                                                                const ShowName& show_name) {
  if (std::string problem = message_problem(bytes); !problem.empty())
    return std::unexpected(kernel::CodecError{.path = {}, .what = std::move(problem)});
  try {
    IncomingMessage message(bytes);
    return JsonWriter<WireView>(show_name).write(root_view(types_of(), message.root()));
  } catch (const kj::Exception& error) {
    return std::unexpected(kernel::CodecError{
        .path = {}, .what = fmt::format("the bytes are damaged: {}", error.getDescription().cStr())});
  } catch (const std::exception& error) {
    return std::unexpected(
        kernel::CodecError{.path = {}, .what = fmt::format("the bytes are damaged: {}", error.what())});
  }
}

}  // namespace

SnapshotReader::SnapshotReader(reflect::Schema schema, ShowName show_name)
    : schema_(std::move(schema)), show_name_(std::move(show_name)) {}
SnapshotReader::~SnapshotReader() = default;

std::expected<boost::json::value, kernel::CodecError> SnapshotReader::to_json(std::span<const std::byte> bytes) {
  return read_json(
      [this]() -> WireTypes& {
        if (!types_) types_ = std::make_unique<WireTypes>(schema_);
        types_->renew();
        return *types_;
      },
      bytes, show_name_);
}

std::expected<boost::json::value, kernel::CodecError> to_json(const reflect::Schema& schema,
                                                              std::span<const std::byte> bytes,
                                                              const ShowName& show_name) {
  return SnapshotReader(schema, show_name).to_json(bytes);
}

namespace {

/// As CapnpCodec writes it, so that equal values have equal bytes.
std::vector<std::byte> to_one_segment(capnp::MallocMessageBuilder& message) {
  std::vector<std::byte> bytes;
  if (message.getSegmentsForOutput().size() == 1) {
    append_message(message, bytes);
    return bytes;
  }
  capnp::MallocMessageBuilder joined(static_cast<unsigned>(message.sizeInWords()) + 1);
  joined.setRoot(message.getRoot<capnp::AnyPointer>().asReader());
  append_message(joined, bytes);
  return bytes;
}

}  // namespace

std::expected<std::vector<std::byte>, kernel::CodecError> from_json(const reflect::Schema& schema,
                                                                    const boost::json::value& json,
                                                                    UnknownFields unknown_fields) {
  JsonReader<WireSink> reader(unknown_fields);
  try {
    WireTypes types(schema);
    capnp::MallocMessageBuilder message;
    if (auto read = reader.read(json, root_sink(types, message.getRoot<capnp::AnyPointer>())); !read)
      return std::unexpected(std::move(read.error()));
    return to_one_segment(message);
  } catch (const kj::Exception& error) {
    return std::unexpected(kernel::CodecError{.path = reader.error().path,
                                              .what = fmt::format("too large: {}", error.getDescription().cStr())});
  } catch (const std::exception& error) {
    return std::unexpected(kernel::CodecError{.path = reader.error().path, .what = error.what()});
  }
}

}  // namespace epic::codec
