#include "codec/wire_json.hpp"

#include <boost/json/value.hpp>
#include <cstring>
#include <stdexcept>

namespace epic::codec {

using reflect::Kind;

WireTypes::WireTypes(const reflect::Schema& schema) : schema_(schema) {
  for (const auto& node : schema.nodes()) {
    std::vector<SlotSize> sizes;
    for (const auto& part : node.parts) sizes.push_back(slot(part.type));
    const bool has_body = is_struct(node.kind) || node.kind == Kind::map;
    layouts_.push_back(has_body ? make_layout(node.kind, sizes) : StructLayout{});
  }
}

const Labels& WireTypes::labels(Index variant) {
  return labels_.get(&node(variant), [&] { return make_labels(schema_, variant); });
}

void WireTypes::begin(WireReader& message) {
  message_ = &message;
  elements_left_ = kElementsMax;
}

void WireTypes::afford(std::size_t count) {
  if (count > elements_left_) throw std::length_error("the message holds more elements than fit into memory as JSON");
  elements_left_ -= count;
}

namespace {

void require(bool is_whole, const WireReader& message) {
  if (!is_whole) throw std::runtime_error(message.problem());
}

}  // namespace

WireView WireView::of_root(WireTypes& types, WireReader::Place root) {
  const WireView whole(types, 0, root);
  if (is_struct(whole.kind())) return whole;
  return whole.member(0, {.size = types.slot(0), .offset = 0}, whole.body());  // the only member of a wrapper struct
}

WireReader::Struct WireView::body() const {
  if (body_) return *body_;
  WireReader::Struct body;
  require(types_->message().read_struct(pointer_, body), types_->message());
  return body;
}

WireReader::List WireView::list(ElementSize size) const {
  WireReader::List list;
  require(types_->message().read_list(pointer_, size, list), types_->message());
  return list;
}

std::string_view WireView::text() const {
  std::string_view text;
  require(types_->message().read_text(pointer_, text), types_->message());
  return text;
}

std::span<const std::byte> WireView::bytes() const {
  const WireReader::List data = list(ElementSize::one_byte);
  return data.count == 0 ? std::span<const std::byte>() : std::span(data.bytes(), data.count);
}

std::optional<std::string_view> WireView::find_enumerator(std::int64_t value) const {
  for (const auto& enumerator : node().enumerators)
    if (enumerator.value == value) return enumerator.name;
  return std::nullopt;
}

WireView WireView::member(WireTypes::Index index, Slot slot, const WireReader::Struct& around) const {
  if (slot.size == SlotSize::pointer) return {*types_, index, around.pointer(slot)};
  return {*types_, index, around.bits(slot)};
}

std::optional<WireView> WireView::held() const {
  const WireReader::Struct in = body();
  const StructLayout& layout = types_->layout(index_);
  if (in.bits(layout.slots[0]) == 0) return std::nullopt;
  return member(types_->part(index_, 0), layout.slots[1], in);
}

std::pair<std::string_view, WireView> WireView::alternative() const {
  const WireReader::Struct in = body();
  const StructLayout& layout = types_->layout(index_);
  const std::uint64_t index = in.bits(layout.slots[0]);
  if (index >= node().parts.size()) throw std::out_of_range("a variant has no alternative of this number");
  return {types_->labels(index_)[index], member(types_->part(index_, index), layout.slots[index + 1], in)};
}

void WireView::each_field(reflect::FunctionRef<void(std::string_view, const WireView&)> visit) const {
  const WireReader::Struct in = body();
  const StructLayout& layout = types_->layout(index_);
  const auto& parts = node().parts;
  for (std::size_t i = 0; i < parts.size(); ++i) visit(parts[i].name, member(parts[i].type, layout.slots[i], in));
}

void WireView::each_element(reflect::FunctionRef<void(const WireView&)> visit) const {
  const WireTypes::Index element = types_->part(index_, 0);
  const SlotSize slot = types_->slot(element);
  const bool is_composite = is_struct(types_->node(element).kind);
  const WireReader::List elements = list(is_composite ? ElementSize::composite : element_size(slot));
  types_->afford(elements.count);
  for (std::size_t i = 0; i < elements.count; ++i) {
    if (is_composite)
      visit(WireView(*types_, element, elements.structure(i)));
    else if (slot == SlotSize::pointer)
      visit(WireView(*types_, element, elements.pointer(i)));
    else
      visit(WireView(*types_, element, elements.bits(slot, i)));
  }
}

void WireView::each_entry(reflect::FunctionRef<void(const WireView&, const WireView&)> visit) const {
  const StructLayout& layout = types_->layout(index_);
  const WireReader::List entries = list(ElementSize::composite);
  types_->afford(entries.count);
  for (std::size_t i = 0; i < entries.count; ++i) {
    const WireReader::Struct entry = entries.structure(i);
    visit(member(types_->part(index_, 0), layout.slots[0], entry),
          member(types_->part(index_, 1), layout.slots[1], entry));
  }
}

}  // namespace epic::codec
