#include "cluster/supervisor/guests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "protocol/spoken.hpp"

namespace epic::cluster {

/// One that is welcome, and where the answers to its requests go.
class Guests::Guest final : public ControlReply::Sink {
 public:
  Guest(Guests& guests, std::shared_ptr<LinkToMachine> link)
      : guests_(guests), link_(std::move(link)), idle_since_(guests_.parts_.host.now()) {}

  void begin() { ++under_way_; }
  void send(const protocol::ControlAnswer& answer) override {
    if (!link_) return;
    link_->send(protocol::MachineAnswered{answer});
    if (answer.last && --under_way_ == 0) idle_since_ = guests_.parts_.host.now();
    if (link_->unsent_bytes() > guests_.limits_.unsent_bytes_max) guests_.drop(link_.get());
  }
  [[nodiscard]] bool is_open() const override { return link_ != nullptr; }
  [[nodiscard]] bool has_room() const override { return link_ && link_->unsent_bytes() < guests_.limits_.room_bytes; }

  void close() { link_.reset(); }
  [[nodiscard]] bool is_idle() const { return under_way_ == 0 && link_->is_sent(); }
  [[nodiscard]] Host::TimePoint idle_since() const { return idle_since_; }

 private:
  Guests& guests_;
  std::shared_ptr<LinkToMachine> link_;  // null: it has gone
  std::size_t under_way_ = 0;            // requests without their last answer
  Host::TimePoint idle_since_;
};

Guests::~Guests() {
  for (const auto& [link, guest] : guests_) guest->close();
}

bool Guests::try_take(const protocol::FromMachine& message, const std::shared_ptr<LinkToMachine>& link) {
  const auto known = guests_.find(link.get());
  if (const auto* const asked = std::get_if<protocol::MachineAsked>(&message)) {
    if (known == guests_.end()) return false;
    const std::shared_ptr<Guest> guest = known->second;
    guest->begin();
    parts_.on_request(asked->request, ControlReply(guest, asked->request.id));
    return true;
  }
  const auto* const hello = std::get_if<protocol::GuestHello>(&message);
  if (hello == nullptr || known != guests_.end()) return false;
  protocol::GuestWelcome welcome{.version = parts_.version, .speaks = protocol::kSpoken, .refusal = find_fault(*hello)};
  if (welcome.refusal.empty() && !make_room()) welcome.refusal = "Too many programs outside of the fabric ask it.";
  if (welcome.refusal.empty()) {
    welcome.manifest = parts_.manifest;
    link->let_read_slowly();
    guests_.emplace(link.get(), std::make_shared<Guest>(*this, link));
  }
  link->send(welcome);
  return true;
}

std::string Guests::find_fault(const protocol::GuestHello& hello) const {
  if (protocol::understand_each_other(protocol::kSpoken, hello.speaks)) return {};
  return fmt::format("This is epic {}, and the fabric runs epic {}: the two do not understand each other.",
                     hello.version, parts_.version);
}

/// For one more: at the limit, the one that has been idle longest goes.
bool Guests::make_room() {
  if (guests_.size() < limits_.count_max) return true;
  const auto idlest = std::ranges::min_element(guests_, {}, [](const auto& one) {
    return one.second->is_idle() ? one.second->idle_since() : Host::TimePoint::max();
  });
  if (idlest == guests_.end() || !idlest->second->is_idle()) return false;
  drop(idlest->first);
  return true;
}

void Guests::drop_idle() {
  const auto now = parts_.host.now();
  std::vector<const LinkToMachine*> idle;
  for (const auto& [link, guest] : guests_)
    if (guest->is_idle() && now - guest->idle_since() >= limits_.idle_max) idle.push_back(link);
  for (const LinkToMachine* const link : idle) drop(link);
}

void Guests::drop(const LinkToMachine* link) { parts_.drop(*link); }

void Guests::on_closed(const LinkToMachine& link) {
  const auto found = guests_.find(&link);
  if (found == guests_.end()) return;
  found->second->close();
  guests_.erase(found);
}

}  // namespace epic::cluster
