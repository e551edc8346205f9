# For sourcing, with the folder of the checkout in $1: what ccache needs to know of rcnn.
#
# It takes the precompiled header and what includes it only with this sloppiness. The other three let a second checkout
# use what the first one compiled, and keep ccache from hashing the header (700 MB) for every source.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_BASEDIR=$1 CCACHE_NOHASHDIR=1 CCACHE_INODECACHE=1
# Without a run of the preprocessor for every miss: the compiler says what it read.
export CCACHE_DEPEND=1
