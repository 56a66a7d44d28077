"""The layers that fastnn.operations.table names, for `from fastnn import` and for type checkers."""

from fastnn.layers.attention import CrossAttention as CrossAttention
from fastnn.layers.attention import SelfAttention as SelfAttention
from fastnn.layers.concatenate import Concatenate as Concatenate
from fastnn.layers.convolution import Conv2d as Conv2d
from fastnn.layers.dense import Activation as Activation
from fastnn.layers.dense import Dense as Dense
from fastnn.layers.dropout import Dropout as Dropout
from fastnn.layers.embedding import Embedding as Embedding
from fastnn.layers.embedding import PositionEmbedding as PositionEmbedding
from fastnn.layers.encoder_decoder import EncoderDecoder as EncoderDecoder
from fastnn.layers.gated import GatedDense as GatedDense
from fastnn.layers.head import TiedHead as TiedHead
from fastnn.layers.masking import Masking as Masking
from fastnn.layers.norm import LayerNorm as LayerNorm
from fastnn.layers.norm import RMSNorm as RMSNorm
from fastnn.layers.pooling import AvgPool2d as AvgPool2d
from fastnn.layers.pooling import Flatten as Flatten
from fastnn.layers.pooling import MaxPool2d as MaxPool2d
from fastnn.layers.recurrent import GRU as GRU
from fastnn.layers.recurrent import LSTM as LSTM
from fastnn.layers.recurrent import RNN as RNN
from fastnn.layers.residual import Residual as Residual
from fastnn.layers.shared import Shared as Shared
from fastnn.layers.sinusoids import SinusoidalPositions as SinusoidalPositions
from fastnn.layers.slices import Slice as Slice
from fastnn.layers.transformer import TransformerBlock as TransformerBlock
