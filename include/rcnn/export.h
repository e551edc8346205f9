#pragma once

/// What a shared library shows; the rest is hidden (-fvisibility=hidden). It stands before every class with
/// members or virtual functions in a source file and before every free function of a public header.
#define RCNN_EXPORT __attribute__((visibility("default")))
