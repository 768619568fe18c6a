using System.Numerics;
using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    public static partial class linalg
    {
        public static Tensor cholesky(Tensor input) => Aten.Call("linalg_cholesky", input);
        public static (Tensor L, Tensor info) cholesky_ex(Tensor input, bool check_errors = false) =>
            Aten.Call2("linalg_cholesky_ex(self,check_errors)", input, check_errors);
        public static Tensor cond(Tensor input) => Aten.Call("linalg_cond", input);
        public static Tensor cond(Tensor input, double p) => Aten.Call("linalg_cond", input, p);
        public static Tensor cond(Tensor input, int p) => Aten.Call("linalg_cond", input, p);
        public static Tensor cond(Tensor input, string p) => Aten.Call("linalg_cond.p_str", input, p);
        public static Tensor cross(Tensor input, Tensor other, long dim = -1) => Aten.Call("linalg_cross", input, other, dim);
        public static Tensor det(Tensor input) => Aten.Call("linalg_det", input);
        public static Tensor diagonal(Tensor input, int offset = 0, int dim1 = -2, int dim2 = -1) =>
            Aten.Call("linalg_diagonal", input, offset, dim1, dim2);
        public static (Tensor, Tensor) eig(Tensor input) => Aten.Call2("linalg_eig", input);
        public static Tensor eigvals(Tensor input) => Aten.Call("linalg_eigvals", input);
        public static Tensor householder_product(Tensor A, Tensor tau) => Aten.Call("linalg_householder_product", A, tau);
        public static Tensor inv(Tensor input) => Aten.Call("linalg_inv", input);
        public static (Tensor L, Tensor info) inv_ex(Tensor input, bool check_errors = false) =>
            Aten.Call2("linalg_inv_ex", input, check_errors);
        public static (Tensor LU, Tensor? Pivots) ldl_factor(Tensor input, bool hermitian = true) =>
            Aten.Call2("linalg_ldl_factor", input, hermitian);
        public static (Tensor LU, Tensor? Pivots, Tensor? Info) ldl_factor_ex(Tensor input, bool hermitian = true, bool check_errors = false) =>
            Aten.Call3("linalg_ldl_factor_ex", input, hermitian, check_errors);
        public static Tensor ldl_solve(Tensor LD, Tensor pivots, Tensor B, bool hermitian = false) =>
            Aten.Call("linalg_ldl_solve", LD, pivots, B, hermitian);
        public static (Tensor P, Tensor L, Tensor U) lu(Tensor input, bool pivot = true) => Aten.Call3("linalg_lu", input, pivot);
        public static (Tensor LU, Tensor? Pivots) lu_factor(Tensor input, bool pivot = true) =>
            Aten.Call2("linalg_lu_factor", input, pivot);
        public static Tensor matrix_exp(Tensor input) => Aten.Call("linalg_matrix_exp", input);
        public static Tensor matrix_norm(Tensor input, double ord, long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_matrix_norm", input, ord, dims, keepdim);
        public static Tensor matrix_rank(Tensor input, Tensor atol, Tensor? rtol = null, bool hermitian = false) =>
            Aten.Call("linalg_matrix_rank.atol_rtol_tensor", input, atol, rtol, hermitian);
        public static Tensor matrix_rank(Tensor input, double? atol = null, double? rtol = null, bool hermitian = false) =>
            Aten.Call("linalg_matrix_rank.atol_rtol_float", input, atol, rtol, hermitian);
        public static Tensor multi_dot(IList<Tensor> tensors) => Aten.Call("linalg_multi_dot", tensors.ToArray());
        public static Tensor norm(Tensor input, double ord, long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_norm", input, ord, dims, keepdim);
        public static Tensor norm(Tensor input, int ord, long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_norm", input, ord, dims, keepdim);
        public static Tensor norm(Tensor input, long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_norm(self,dim,keepdim)", input, dims, keepdim);
        public static Tensor norm(Tensor input, string ord, long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_norm.ord_str", input, ord, dims, keepdim);
        public static Tensor pinv(Tensor input, Tensor atol, Tensor? rtol = null, bool hermitian = false) =>
            Aten.Call("linalg_pinv.atol_rtol_tensor", input, atol, rtol, hermitian);
        public static Tensor pinv(Tensor input, double? atol = null, double? rtol = null, bool hermitian = false) =>
            Aten.Call("linalg_pinv.atol_rtol_float", input, atol, rtol, hermitian);
        public static (Tensor, Tensor) slogdet(Tensor input) => Aten.Call2("linalg_slogdet", input);
        public static Tensor solve(Tensor A, Tensor B, bool left = true) => Aten.Call("linalg_solve", A, B, left);
        public static (Tensor result, Tensor info) solve_ex(Tensor A, Tensor B, bool left = true, bool check_errors = false) =>
            Aten.Call2("linalg_solve_ex", A, B, left, check_errors);
        public static (Tensor U, Tensor S, Tensor Vh) svd(Tensor input, bool fullMatrices = true) =>
            Aten.Call3("linalg_svd", input, fullMatrices);
        public static Tensor svdvals(Tensor input) => Aten.Call("linalg_svdvals", input);
        public static Tensor tensorinv(Tensor input, long ind) => Aten.Call("linalg_tensorinv", input, ind);
        public static Tensor tensorsolve(Tensor A, Tensor B, long[] dims) => Aten.Call("linalg_tensorsolve", A, B, dims);
        public static Tensor vander(Tensor input, long? N = null) => Aten.Call("linalg_vander", input, N);
        public static Tensor vector_norm(Tensor input, double ord = 2, long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_vector_norm", input, ord, dims, keepdim);
    }
}
