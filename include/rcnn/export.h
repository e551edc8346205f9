#pragma once

/// What a shared library shows; the rest is hidden. It stands before every free function of a public header
/// and before every class there that has functions in a source file, or a type that must be one in all
/// libraries: an error, an interface. In src/ it marks the little of rcnn_core that librcnn takes beside the
/// public headers.
#define RCNN_EXPORT __attribute__((visibility("default")))
