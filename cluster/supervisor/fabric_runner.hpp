#pragma once
// FabricRunner: a fabric on an io_context, with signals and the control socket.
//
// Not here: what the fabric does (fabric.hpp).

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>

#include "cluster/control/control_server.hpp"
#include "cluster/supervisor/asio_host.hpp"
#include "cluster/supervisor/fabric.hpp"

namespace epic::cluster {

/// Opens the store of `options`, which a node makes first; empty if nodes keep their stores to themselves.
[[nodiscard]] GrantWriter::OpenStore opener_of(const SupervisorOptions& options);

/// Single-threaded.
class FabricRunner {
 public:
  FabricRunner(const SupervisorOptions& options, const RunPaths& paths, const files::Directory& directory,
               std::uint64_t run, LogHub& logs, Modules& modules, ModuleCopy module);
  [[nodiscard]] int run();

 private:
  void listen_to_signals();
  void on_end(const FabricEnd& end);

  const SupervisorOptions& options_;
  const RunPaths& paths_;
  boost::asio::io_context context_{1};
  AsioHost host_;
  Fabric fabric_;
  std::optional<FabricEnd> end_;
  std::unique_ptr<ControlServer> server_;
  boost::asio::signal_set signals_{context_};
  boost::asio::steady_timer flush_timer_{context_};
};

}  // namespace epic::cluster
