@0xe4b0d9f31c8a5276;
# What programs outside a fabric ask its supervisor over .epic/control.sock. The verbs and their
# bodies are in runtime/protocol/control.hpp.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("epic::cluster::schema");

struct ControlRequest {
  id @0 :UInt64;    # of this connection; answers repeat it
  verb @1 :Text;
  body @2 :Text;    # JSON
}

struct ControlAnswer {
  id @0 :UInt64;
  status @1 :UInt8;
  body @2 :Text;    # JSON; of a failure: {"message", "detail"}
  last @3 :Bool;    # no more parts follow; an empty body adds none
}
