#include "cluster/sim/network.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

namespace epic::cluster::sim {

using transport::Medium;
using transport::StreamPtr;
using transport::StreamUser;

namespace {

constexpr std::string_view kReset = "Connection reset by peer";
constexpr std::uint64_t kPieceBytesMax = 48 * 1024;
constexpr std::uint32_t kSplitPercent = 30;

}  // namespace

/// A stream's two ends, and the bytes between them. Ends refer to processes by id, since either may be gone.
struct Network::Line : std::enable_shared_from_this<Network::Line> {
  struct End {
    ProcessId process = 0;
    Place place = 0;
    StreamUser* user = nullptr;
    bool is_open = false;     // on_open() has been called
    bool is_closed = false;   // by its user, or after on_end()
    bool is_blocked = false;  // a write has not been taken whole
    bool is_alone = false;    // the other end is gone, and nothing says so
    bool is_giving_up = false;
    // What is on its way to this end.
    std::deque<std::vector<std::byte>> pieces;
    std::size_t bytes = 0;
    std::int64_t last_arrival_ns = 0;
    std::optional<std::string> end;  // after the pieces
    std::optional<std::int64_t> held_since_ns;
  };

  Line(Network& net, std::uint64_t line) : network(net), number(line) {}

  [[nodiscard]] World& world() const { return network.world_; }
  [[nodiscard]] End& other(const End& end) { return &end == &ends[0] ? ends[1] : ends[0]; }

  void start(End& end, StreamUser& user);
  [[nodiscard]] std::size_t write(End& from, std::span<const std::byte> bytes);
  void close(End& end);
  void finish(End& to, std::string why);
  void break_now();
  void leave_alone(End& left);
  void give_up_later(End& left);

  void expect(End& to);
  void arrive(End& to);
  void give_up();
  void read(End& to);
  void make_room(End& from);

  Network& network;
  std::uint64_t number;
  std::array<End, 2> ends;
};

void Network::Line::start(End& end, StreamUser& user) {
  end.user = &user;
  if (network.may_not_open(ends[0].place, ends[1].place)) {
    world().after(network.options_.give_up_after, end.process, fingerprint_of("unopened", number),
                  [self = shared_from_this(), &end] {
                    if (!end.is_closed) self->finish(end, "Connection timed out");
                  });
    return;
  }
  world().after(network.draw_delay(end.place, other(end).place), end.process, fingerprint_of("open", number),
                [self = shared_from_this(), &end] {
                  if (end.is_closed) return;
                  end.is_open = true;
                  end.user->on_open();
                  self->read(end);
                });
}

std::size_t Network::Line::write(End& from, std::span<const std::byte> bytes) {
  End& to = other(from);
  if (from.is_closed) return bytes.size();  // its process is gone
  if (from.is_alone) give_up_later(from);
  if (to.is_closed || to.end) return bytes.size();  // reading will end with it
  const std::size_t taken = std::min(bytes.size(), network.options_.window_bytes - to.bytes);
  from.is_blocked = taken < bytes.size();
  if (taken == 0) return 0;
  to.pieces.emplace_back(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
  to.bytes += taken;
  expect(to);
  return taken;
}

/// Something is on its way to this end, behind what is on its way already.
void Network::Line::expect(End& to) {
  to.last_arrival_ns =
      std::max(to.last_arrival_ns, world().now_ns() + network.draw_delay(other(to).place, to.place).count());
  const std::uint64_t content = to.pieces.empty() ? 0 : XXH64(to.pieces.back().data(), to.pieces.back().size(), 0);
  world().after(nanoseconds(to.last_arrival_ns - world().now_ns()), to.process,
                fingerprint_of("bytes", number, content), [self = shared_from_this(), &to] { self->arrive(to); });
}

void Network::Line::arrive(End& to) {
  if (to.is_closed) return;
  if (network.is_cut(other(to).place, to.place)) {
    if (to.held_since_ns) return;
    to.held_since_ns = world().now_ns();
    world().after(network.options_.give_up_after, 0, fingerprint_of("given up", number),
                  [self = weak_from_this(), &to, since = *to.held_since_ns] {
                    const auto line = self.lock();
                    if (line != nullptr && to.held_since_ns == since) line->give_up();
                  });
    return;
  }
  to.held_since_ns.reset();
  if (to.is_open) read(to);
}

void Network::Line::give_up() {
  for (End& end : ends) {
    end.pieces.clear();
    finish(end, "Connection timed out");
  }
}

/// Gives the user what has arrived, in pieces of any size.
void Network::Line::read(End& to) {
  while (!to.is_closed && !to.pieces.empty()) {
    const auto room = to.user->room();
    if (room.empty()) return;
    std::vector<std::byte>& piece = to.pieces.front();
    std::size_t count = std::min(room.size(), piece.size());
    if (count > 1 && world().chance(kSplitPercent)) count = 1 + world().draw(std::min(count, kPieceBytesMax));
    std::copy_n(piece.begin(), count, room.begin());
    if (count == piece.size())
      to.pieces.pop_front();
    else
      piece.erase(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
    to.bytes -= count;
    to.user->on_bytes(count);
    make_room(other(to));
  }
  if (to.is_closed || !to.end || !to.pieces.empty()) return;
  to.is_closed = true;
  to.user->on_end(*to.end);
}

void Network::Line::make_room(End& from) {
  if (!std::exchange(from.is_blocked, false)) return;
  world().after(network.draw_delay(from.place, other(from).place), from.process, fingerprint_of("writable", number),
                [self = shared_from_this(), &from] {
                  if (!from.is_closed) from.user->on_writable();
                });
}

void Network::Line::close(End& end) {
  if (std::exchange(end.is_closed, true)) return;
  end.pieces.clear();
  if (End& left = other(end); !left.is_closed && !left.end && !left.is_alone) {
    left.end = std::string();
    expect(left);
  }
}

/// The stream has ended for this end, after what has arrived.
void Network::Line::finish(End& to, std::string why) {
  if (to.is_closed) return;
  to.end = std::move(why);
  to.held_since_ns.reset();
  if (to.user == nullptr) return;  // accepted later, it reads what has arrived, and this
  world().after(nanoseconds(1), to.process, fingerprint_of("end", number), [self = shared_from_this(), &to] {
    to.is_open = true;  // or never will be
    self->read(to);
  });
}

void Network::Line::break_now() {
  for (End& end : ends) {
    if (end.is_closed) continue;
    const std::size_t kept = end.pieces.empty() ? 0 : world().draw(end.pieces.size() + 1);
    end.pieces.resize(kept);
    finish(end, std::string(kReset));
  }
}

void Network::Line::leave_alone(End& left) {
  End& gone = other(left);
  if (left.is_closed || left.end || gone.is_closed) return;
  left.is_alone = true;
  left.pieces.clear();
  left.bytes = 0;
  if (left.is_blocked) give_up_later(left);
  gone.pieces.clear();
  finish(gone, std::string(kReset));
}

/// What it sends is not confirmed.
void Network::Line::give_up_later(End& left) {
  if (std::exchange(left.is_giving_up, true)) return;
  world().after(network.options_.give_up_after, left.process, fingerprint_of("alone", number),
                [self = shared_from_this(), &left] { self->finish(left, "Connection timed out"); });
}

// ---- the interfaces ----

class SimStream final : public transport::Stream {
 public:
  SimStream(std::shared_ptr<Network::Line> line, std::size_t end) : line_(std::move(line)), end_(line_->ends[end]) {}
  ~SimStream() override { line_->close(end_); }

  void start(StreamUser& user) override { line_->start(end_, user); }
  std::size_t write(std::span<const std::byte> bytes) override { return line_->write(end_, bytes); }
  void close() override { line_->close(end_); }

 private:
  std::shared_ptr<Network::Line> line_;
  Network::Line::End& end_;
};

class SimMedium final : public Medium {
 public:
  SimMedium(Network& network, Process& process, Place place) : network_(network), process_(process), place_(place) {}
  ~SimMedium() override { stop_listening(); }

  std::expected<StreamPtr, std::string> dial(const std::string& address) override {
    const auto listener = network_.listeners_.find(address);
    if (listener == network_.listeners_.end()) return std::unexpected("Connection refused");
    return std::make_shared<SimStream>(network_.connect(process_, place_, listener->second), 0);
  }

  std::expected<std::string, std::string> listen(const std::string& address, OnAccept on_accept) override {
    on_accept_ = std::make_shared<OnAccept>(std::move(on_accept));
    address_ = address;
    network_.listeners_[address] = {process_.process_id(), place_, on_accept_};
    return address;
  }

  void hide() override {
    const auto listener = network_.listeners_.find(address_);
    if (listener != network_.listeners_.end() && listener->second.process == process_.process_id())
      network_.listeners_.erase(listener);
  }
  void stop_listening() override {
    hide();
    on_accept_.reset();
  }

 private:
  Network& network_;
  Process& process_;
  Place place_;
  std::string address_;
  std::shared_ptr<OnAccept> on_accept_;
};

std::unique_ptr<Medium> Network::make_medium(Process& process, Place place) {
  return std::make_unique<SimMedium>(*this, process, place);
}

std::shared_ptr<Network::Line> Network::connect(Process& dialler, Place place, const Listener& listener) {
  forget_ended();
  auto line = std::make_shared<Line>(*this, ++lines_made_);
  line->ends[0].process = dialler.process_id();
  line->ends[0].place = place;
  line->ends[1].process = listener.process;
  line->ends[1].place = listener.place;
  lines_.push_back(line);
  if (may_not_open(place, listener.place)) return line;  // nobody hears of it
  world_.after(draw_delay(place, listener.place), listener.process, fingerprint_of("accept", line->number),
               [line, on_accept = listener.on_accept] {
                 if (const auto accept = on_accept.lock())
                   (*accept)(std::make_shared<SimStream>(line, 1));
                 else
                   line->finish(line->ends[0], "Connection refused");
               });
  return line;
}

void Network::forget_ended() {
  std::erase_if(lines_, [](const std::weak_ptr<Line>& line) { return line.expired(); });
}

void Network::on_process_gone(ProcessId process) {
  std::erase_if(listeners_, [process](const auto& entry) { return entry.second.process == process; });
  forget_ended();
  for (const std::weak_ptr<Line>& one : lines_) {
    const auto line = one.lock();
    for (Line::End& end : line->ends) {
      if (end.process != process || end.is_closed) continue;
      end.is_closed = true;
      end.pieces.clear();
      Line::End& other = line->other(end);
      if (other.is_closed || other.end || other.is_alone) continue;
      other.end = std::string(world_.chance(50) ? kReset : std::string_view());
      line->expect(other);
    }
  }
}

nanoseconds Network::draw_delay(Place one, Place other) {
  const auto pair = slow_pairs_.find(std::minmax({one, other}));
  return world_.draw_delay(options_.delay_max) * std::max(slowness_, pair == slow_pairs_.end() ? 1 : pair->second);
}

void Network::set_slowness(Place one, Place other, std::int64_t times) {
  if (times == 1)
    slow_pairs_.erase(std::minmax({one, other}));
  else
    slow_pairs_[std::minmax({one, other})] = times;
}

void Network::cut(Place from, Place to) { cuts_.insert({from, to}); }

void Network::heal(Place from, Place to) {
  cuts_.erase({from, to});
  forget_ended();
  for (const std::weak_ptr<Line>& one : lines_) {
    const auto line = one.lock();
    for (Line::End& end : line->ends)
      if (end.held_since_ns && end.place == to && line->other(end).place == from) line->expect(end);
  }
}

void Network::heal_all() {
  blocked_dials_.clear();
  const auto cuts = cuts_;
  for (const auto& [from, to] : cuts) heal(from, to);
}

void Network::break_streams(Place one, Place other) {
  for (const std::shared_ptr<Line>& line : list_lines()) {
    const auto [a, b] = std::pair(line->ends[0].place, line->ends[1].place);
    if ((a == one && b == other) || (a == other && b == one)) line->break_now();
  }
}

void Network::break_all() {
  for (const std::shared_ptr<Line>& line : list_lines()) line->break_now();
}

void Network::vanish(Place one, Place other) {
  for (const std::shared_ptr<Line>& line : list_lines())
    for (Line::End& end : line->ends)
      if (end.place == other && line->other(end).place == one) line->leave_alone(end);
}

std::vector<std::shared_ptr<Network::Line>> Network::list_lines() {
  forget_ended();
  std::vector<std::shared_ptr<Line>> lines;
  for (const std::weak_ptr<Line>& line : lines_) lines.push_back(line.lock());
  return lines;
}

}  // namespace epic::cluster::sim
