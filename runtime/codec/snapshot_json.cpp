#include "codec/snapshot_json.hpp"

#include <fmt/format.h>

#include <exception>
#include <span>

#include "codec/json_writer.hpp"
#include "codec/limits.hpp"
#include "codec/wire_json.hpp"
#include "reflect/try.hpp"

namespace epic::codec {

SnapshotReader::SnapshotReader(reflect::Schema schema, ShowName show_name)
    : schema_(std::move(schema)), show_name_(std::move(show_name)) {}
SnapshotReader::~SnapshotReader() = default;

std::expected<boost::json::value, kernel::CodecError> SnapshotReader::to_json(std::span<const std::byte> bytes) {
  const auto damaged = [](std::string what) {
    return std::unexpected(kernel::CodecError{.path = {}, .what = "the bytes are damaged: " + std::move(what)});
  };
  if (std::string problem = message_problem(bytes); !problem.empty())
    return std::unexpected(kernel::CodecError{.path = {}, .what = std::move(problem)});
  constexpr std::size_t kVisitsPerWord = 8;  // the writer looks at keys and refs several times
  WireReader message;
  WireReader::Place root;
  if (!message.open(bytes, root, kVisitsPerWord)) return damaged(message.problem());
  if (!types_) types_ = std::make_unique<WireTypes>(schema_);
  types_->begin(message);
  try {
    return JsonWriter<WireView>(show_name_).write(WireView::of_root(*types_, root));
  } catch (const std::exception& error) {
    return damaged(error.what());
  }
}

std::expected<boost::json::value, kernel::CodecError> to_json(const reflect::Schema& schema,
                                                              std::span<const std::byte> bytes,
                                                              const ShowName& show_name) {
  return SnapshotReader(schema, show_name).to_json(bytes);
}

namespace {

/// As CapnpCodec writes it, in one segment, so that equal values have equal bytes.
std::vector<std::byte> to_bytes(capnp::MallocMessageBuilder& message) {
  capnp::MallocMessageBuilder joined(static_cast<unsigned>(message.sizeInWords()) + 1);
  joined.setRoot(message.getRoot<capnp::AnyPointer>().asReader());
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(joined);
  const auto bytes = std::as_bytes(std::span(words.begin(), words.size()));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::expected<std::vector<std::byte>, kernel::CodecError> from_json(const reflect::Schema& schema,
                                                                    const boost::json::value& json,
                                                                    UnknownFields unknown_fields) {
  JsonReader<WireSink> reader(unknown_fields);
  try {
    WireTypes types(schema);
    capnp::MallocMessageBuilder message;
    EPIC_TRY(reader.read(json, WireSink::of_root(types, message.getRoot<capnp::AnyPointer>())));
    return to_bytes(message);
  } catch (const kj::Exception& error) {
    return std::unexpected(kernel::CodecError{.path = reader.error().path,
                                              .what = fmt::format("too large: {}", error.getDescription().cStr())});
  } catch (const std::exception& error) {
    return std::unexpected(kernel::CodecError{.path = reader.error().path, .what = error.what()});
  }
}

}  // namespace epic::codec
