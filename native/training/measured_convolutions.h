#pragma once

#include <ATen/Context.h>

namespace latentray {

// While one lives, cuDNN times its algorithms for each new shape and keeps the fastest. Batches of
// a training run have one shape, so that it pays; a prompt's image may never come again.
class MeasuredConvolutions {
 public:
  MeasuredConvolutions() : before_(at::globalContext().benchmarkCuDNN()) {
    at::globalContext().setBenchmarkCuDNN(true);
  }
  ~MeasuredConvolutions() { at::globalContext().setBenchmarkCuDNN(before_); }
  MeasuredConvolutions(const MeasuredConvolutions&) = delete;
  MeasuredConvolutions& operator=(const MeasuredConvolutions&) = delete;

 private:
  bool before_;
};

}  // namespace latentray
