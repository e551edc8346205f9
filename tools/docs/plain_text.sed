# The headers as doxygen takes them. In comments "<name>" is text, and "name    what" with two spaces or more an entry of
# a list; LibTorch's macro is the type that it declares, and what a library exports is of no interest.
/\/\/\// {
  s/<(\/?[a-z]+)>/\\<\1\\>/g
  s/^( *\/\/\/) +([A-Za-z0-9_]+)  +([^ ])/\1 - `\2` \3/
}
s/^TORCH_MODULE\((.+)\);/using \1 = torch::nn::ModuleHolder<\1Impl>;  \/\/\/< Holds a \1Impl, as LibTorch's modules are held./
s/RCNN_EXPORT //
